"""The demo's catalog is a valid one, and says of the fleet what the fleet is."""

from __future__ import annotations

from pathlib import Path

from deploy.demo.fleet.releases import SERVICES
from deploy.demo.fleet.service import CALLS
from models.catalog import FallbackAction
from models.catalog_file import parse

FILE = Path(__file__).parents[2] / "deploy/demo/catalog.yaml"

ENVIRONMENT = {
    **{f"PORT_{name.upper()}": str(9000 + number) for number, name in enumerate(SERVICES)},
    "PLATFORM_URL": "http://127.0.0.1:8450",
    **{f"{what}_{region}_URL": "http://127.0.0.1:8451" for what in ("MESH", "TELEMETRY") for region in ("EU", "US")},
    "BIND_EU": "127.0.0.1",
    "BIND_US": "127.0.0.2",
}


def test_the_catalog_knows_the_services_and_whom_they_call() -> None:
    catalog = parse(FILE.read_text(), str(FILE), ENVIRONMENT).catalog
    called = {
        name: {callee for (n, _), calls in CALLS.items() if n == name for callee, _ in calls} for name in SERVICES
    }
    assert {name: set(service.depends_on) for name, service in catalog.services.items()} == called


def test_payments_is_protected_by_the_service_that_can_take_its_requests() -> None:
    catalog = parse(FILE.read_text(), str(FILE), ENVIRONMENT).catalog
    fallback = catalog.service("payments").fallback
    assert isinstance(catalog.policy_of("payments").protect, FallbackAction)
    assert {path for name, path in CALLS if name == "payments"} <= {path for name, path in CALLS if name == fallback}


def test_callees_are_deployed_before_their_callers() -> None:
    catalog = parse(FILE.read_text(), str(FILE), ENVIRONMENT).catalog
    for position, name in enumerate(SERVICES):
        assert set(catalog.service(name).depends_on) <= set(SERVICES[:position])
