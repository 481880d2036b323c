"""Which control planes must answer: those of the incident's region, and no others."""

from __future__ import annotations

import pytest

from models.catalog_file import parse
from workers.recovery.planes import Place, planes, serves

PAYMENTS_IN_EU = Place("eu", "payments")

SHARED = parse(
    """\
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: http://127.0.0.1:1, proxies: [eu-1]}}
    platform: {local: {kind: local, url: http://127.0.0.1:2}}
    telemetry: {envoy: {kind: envoy, url: http://127.0.0.1:3}}
  us:
    mesh: {envoy: {kind: envoy, url: http://127.0.0.1:4, proxies: [us-1]}}
    platform: {local: {kind: local, url: http://127.0.0.1:2}}
    telemetry: {envoy: {kind: envoy, url: http://127.0.0.1:3}}
defaults: {mesh: envoy, platform: local, telemetry: envoy}
services:
  payments: {tier: 1, regions: [eu, us], port: 7001, slos: {availability: {objective: 99.9}}}
  ledger: {tier: 1, regions: [us], port: 7002, slos: {availability: {objective: 99.9}}}
""",
    "catalog.yaml",
    {},
).catalog


def test_a_platform_that_regions_share_is_one_control_plane() -> None:
    assert [plane.name for plane in planes(SHARED, "")] == [
        "mesh envoy of eu",
        "mesh envoy of us",
        "platform local of eu, local of us",
    ]


@pytest.mark.parametrize(
    ("place", "names"),
    [
        (PAYMENTS_IN_EU, {"mesh envoy of eu", "platform local of eu, local of us"}),
        (Place("us", "ledger"), {"mesh envoy of us", "platform local of eu, local of us"}),
        (Place("eu", "ledger"), set[str]()),
        (Place("eu", "unknown"), set[str]()),
    ],
)
def test_a_place_is_served_by_the_control_planes_of_its_region(place: Place, names: set[str]) -> None:
    assert {plane.name for plane in planes(SHARED, "") if serves(plane, place, SHARED)} == names


def test_every_namespace_of_a_cluster_is_a_control_plane_of_its_own() -> None:
    cluster = SHARED.regions["eu"].platform["local"].model_copy(update={"kind": "kubernetes"})
    shops = {region: cluster.model_copy(update={"namespace": f"shop-{region}"}) for region in SHARED.regions}
    regions = {
        name: region.model_copy(update={"platform": {"local": shops[name]}}) for name, region in SHARED.regions.items()
    }
    apart = SHARED.model_copy(update={"regions": regions})
    platforms = [plane for plane in planes(apart, "") if plane.name.startswith("platform")]
    assert [plane.name for plane in platforms if serves(plane, PAYMENTS_IN_EU, apart)] == ["platform local of eu"]
    assert len(platforms) == 2
