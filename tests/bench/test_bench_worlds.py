"""The worlds of the benchmarks can be made: a rule that the catalog gains must not wait for the next measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import footprint_world, resume, rollback_world, storm_messages, way
from workers.local.world import SmallWorld


def test_the_catalog_of_the_footprint_is_valid(tmp_path: Path) -> None:
    world = footprint_world.small_world(tmp_path, services=3)
    assert len(world.catalog.catalog.services) == 3 + len(footprint_world.RENEWING)


def test_the_catalog_of_the_storm_is_valid(tmp_path: Path) -> None:
    world = SmallWorld(tmp_path, storm_messages.catalog(), ("payments", "ledger", *storm_messages.SERVICES))
    assert {*storm_messages.SERVICES} < {*world.catalog.catalog.services}


@pytest.mark.parametrize(
    "catalog", [resume.CATALOG, rollback_world.CATALOG, way.CATALOG], ids=["resume", "rollback", "way"]
)
def test_the_catalog_of_two_services_is_valid(tmp_path: Path, catalog: str) -> None:
    world = SmallWorld(tmp_path, catalog, ("payments", "ledger"))
    assert {*world.catalog.catalog.services} == {"payments", "ledger"}
