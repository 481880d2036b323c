"""What Envoy is told of a service's routes: shares, copies of the GET requests, and the fallback before both."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from models.catalog import Availability, Service, Slos
from models.receipt import Fields
from workers.mesh.resource import Kind
from workers.mesh.routes import routes
from workers.mesh.schema import encode
from workers.mesh.view import ServiceView

PERCENTS = st.integers(1, 100)


def view(name: str, fields: Fields) -> ServiceView:
    service = Service(
        tier=1, regions=("eu",), releases=("v1", "v2"), slos=Slos(availability=Availability(objective=99))
    )
    return ServiceView(name=name, service=service, region="eu", bind="127.0.0.1", fields=fields, endpoints=())


def rendered(fields: Fields, fallback: ServiceView | None = None) -> list[dict[str, Any]]:
    body = routes(view("payments", fields), fallback)
    assert encode(Kind.ROUTES.message, body)
    return body["virtual_hosts"][0]["routes"]


def methods(route: dict[str, Any]) -> str | None:
    headers = route["match"].get("headers")
    return headers[0]["string_match"]["safe_regex"]["regex"] if headers else None


def copies(route: dict[str, Any]) -> dict[str, int]:
    """Percent by cluster."""
    policies = route["route"].get("request_mirror_policies", [])
    fractions = {policy["cluster"]: policy["runtime_fraction"]["default_value"] for policy in policies}
    assert {fraction["denominator"] for fraction in fractions.values()} <= {"MILLION"}
    return {cluster: fraction["numerator"] / 10_000 for cluster, fraction in fractions.items()}


def test_get_requests_have_a_route_of_their_own_that_sends_the_copies() -> None:
    found = rendered({"mirror/v2": 30, "mirror/v3": 100})
    assert [methods(route) for route in found] == ["GET", "GET|HEAD|OPTIONS|TRACE|PUT|DELETE", None]
    assert [copies(route) for route in found] == [{"payments|v2": 30, "payments|v3": 100}, {}, {}]


def test_a_copied_request_is_routed_and_tried_again_like_one_that_is_not() -> None:
    get, idempotent, _ = rendered({"mirror/v2": 30})
    assert {k: v for k, v in get["route"].items() if k != "request_mirror_policies"} == idempotent["route"]


def test_what_the_fallback_answers_is_copied_to_nobody() -> None:
    found = rendered({"mirror/v2": 30}, view("cache", {"mirror/v1": 70}))
    protecting = [route for route in found if "runtime_fraction" in route["match"]]
    assert found[: len(protecting)] == protecting
    assert [copies(route) for route in protecting] == [{}, {}]


def test_without_a_routed_release_nothing_is_copied() -> None:
    (refusal,) = rendered({"weight/v1": 0, "weight/v2": 0, "mirror/v2": 30})
    assert refusal["direct_response"]["status"] == 503


@given(st.dictionaries(st.sampled_from(["mirror/v1", "mirror/v2", "mirror/v9"]), PERCENTS))
def test_copies_go_to_clusters_that_exist_and_change_nothing_else(mirror: dict[str, int]) -> None:
    fields: Fields = {"weight/v1": 100, "weight/v2": 0, **mirror}
    found = rendered(fields)
    assert found[-2:] == rendered({"weight/v1": 100, "weight/v2": 0, **dict.fromkeys(mirror)})
    assert len(found) == 2 + bool(mirror)
    for route in found:
        assert copies(route).keys() <= set(view("payments", fields).clusters)
        assert all(1 <= percent <= 100 for percent in copies(route).values())
