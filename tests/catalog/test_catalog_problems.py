"""Each mistake in a catalog is named with its line, its cause and the nearest valid name; all of them in one go."""

from __future__ import annotations

import re

import pytest
from catalogs import ENVIRONMENT, RIGHT, line_of

from models.catalog_file import CatalogError, parse

# What is replaced in the right catalog, by what, the line that is named (by its text), and what is said.
MISTAKES = {
    "unknown dependency": (
        "- ledger",
        "- ledgr",
        "- ledgr",
        'service "billing" depends on "ledgr", which is not defined; did you mean "ledger"?',
    ),
    "depends on itself": ("- ledger", "- billing", "- billing", 'service "billing" depends on itself'),
    "dependency twice": ("- ledger", "- ledger\n      - ledger # x", "# x", 'names the dependency "ledger" twice'),
    "unknown field": (
        "fallback: ledger",
        "falback: ledger",
        "falback: ledger",
        'service "billing" has no field "falback"; it can have tier, regions, mesh, platform, telemetry, port, '
        "depends_on, fallback, slos, value, releases, incompatible, released_with, max_replicas, github, policy; "
        'did you mean "fallback"?',
    ),
    "unknown field deep inside": (
        "level: protect",
        "rollback: {drain_time: 5}",
        "rollback: {drain_time: 5}",
        'policy "careful", rollback has no field "drain_time"; it can have ready_timeout, drain_timeout, soak, '
        "soak_extension, min_requests, headroom, strategy, emergency, loss_budget, change_window, high_burn, "
        'approve_before, point_max_age; did you mean "drain_timeout"?',
    ),
    "unknown field of an action": (
        "max_requests: 64",
        "max_request: 64",
        "max_request: 64",
        'policy "careful", protect.limit has no field "max_request"; it can have action, max_requests; '
        'did you mean "max_requests"?',
    ),
    "unknown action": (
        "action: limit",
        "action: limmit",
        "action: limmit",
        'policy "careful", protect: action is "limmit"; it must be "limit", "weight", "fallback" or "retries"; '
        'did you mean "limit"?',
    ),
    "no action": ("action: limit, ", "", "max_requests: 64", 'policy "careful", protect needs the field "action"'),
    "a prevention that sheds without a way to": (
        "level: protect",
        "level: protect\n    prevention: {dollars_an_hour: 5, shed: 1}",
        "prevention:",
        'policy "careful" lets a prevention shed, but "breakers" has no "shed" that says how',
    ),
    "a prevention that sheds at proxies without a limit": (
        "level: protect",
        "level: protect\n    breakers: {shed: {by: mesh}}\n    prevention: {dollars_an_hour: 5, shed: 1}",
        "prevention:",
        '"breakers.shed" needs "max_requests"',
    ),
    "a prevention that rolls back where no incident does": (
        "level: protect",
        "level: advise\n    prevention: {dollars_an_hour: 5, roll_back: true}",
        "prevention:",
        'policy "careful" lets a prevention begin a rollback, but its level "advise" lets no incident do one',
    ),
    "a prevention without a budget": (
        "level: protect",
        "level: protect\n    prevention: {scale: 2}",
        "prevention:",
        'policy "careful", prevention needs the field "dollars_an_hour"',
    ),
    "unknown level": (
        "level: protect",
        "level: protekt",
        "level: protekt",
        'policy "careful", level is "protekt"; it must be "advise", "protect" or "full"; did you mean "protect"?',
    ),
    "another version": ("version: 1", "version: 2", "version: 2", 'version is "2"; it must be "1"'),
    "a version in quotes": (
        "version: 1",
        'version: "1"',
        "version:",
        'version is the text "1"; write it without quotes',
    ),
    "no port": ("    port: 7002\n", "", "billing:", 'service "billing" needs a "port": the embedded mesh'),
    "the same port": ("port: 7002", "port: 7001 # x", "# x", 'services "ledger" and "billing" both have the port 7001'),
    "impossible port": (
        "port: 7002",
        "port: 70015",
        "port: 70015",
        'service "billing", port is "70015"; it must be less than or equal to 65535',
    ),
    "no number": (
        "port: 7002",
        "port: http",
        "port: http",
        'service "billing", port is "http"; it must be a valid integer, unable to parse string as an integer',
    ),
    "a list where a mapping belongs": (
        "  careful:\n    level: protect\n    protect: {action: limit, max_requests: 64}\n",
        "  careful: [limit] # x\n",
        "# x",
        'policy "careful": it must be a mapping',
    ),
    "unknown region": ("regions: [eu]", "regions: [ue]", "[ue]", 'service "billing" runs in the region "ue", which'),
    "region twice": ("regions: [eu]", "regions: [eu, eu]", "[eu, eu]", 'service "billing" names the region "eu" twice'),
    "no regions": ("regions: [eu]", "regions: []", "regions: []", 'service "billing", regions'),
    "unknown peer": ("peers: [us]", "peers: [uss]", "[uss]", 'region "eu" has the peer "uss", which is not defined'),
    "own peer": ("peers: [us]", "peers: [eu]", "peers: [eu]", 'region "eu" is named as its own peer'),
    "no peer": ("    peers: [us]\n", "", "on_pool_loss", 'region "eu" wants a peer to act when its pool is lost'),
    "unknown kind of mesh": (
        "mesh:\n      envoy: {kind: envoy, url: http",
        "mesh:\n      envoy: {kind: envoi, url: http",
        "envoi",
        'there is no mesh driver of the kind "envoi"; there is "envoy"; did you mean "envoy"?',
    ),
    "unknown kind of telemetry": (
        "envoy: {kind: envoy, url: http://127.0.0.1:9013}",
        "envoy: {kind: promtheus, url: http://127.0.0.1:9013}",
        "promtheus",
        'the kind "promtheus"; there is "envoy", "prometheus"; did you mean "prometheus"?',
    ),
    "unknown kind of platform": (
        "local: {kind: local, url: http://127.0.0.1:9012}",
        "local: {kind: kubernets, url: http://127.0.0.1:9012}",
        "kubernets",
        'the kind "kubernets"; there is "kubernetes", "local"; did you mean "kubernetes"?',
    ),
    "a namespace of two regions": (
        "local: {kind: local, url: http://127.0.0.1:9012}",
        "local: {kind: kubernetes, url: http://127.0.0.1:9012, namespace: shop}\n"
        "      other: {kind: kubernetes, url: http://127.0.0.1:9012, namespace: shop}\n"
        "  asia:\n"
        "    platform:\n"
        "      local: {kind: kubernetes, url: http://127.0.0.1:9012, namespace: shop} # x",
        "# x",
        'regions "us" and "asia" both have the namespace "shop" of http://127.0.0.1:9012; each needs its own',
    ),
    "no proxy": (", proxies: [us-1]", "", ":9011", 'the mesh "envoy" of region "us" names no proxy'),
    "no mesh at all": (
        "  mesh: envoy\n",
        "",
        "  ledger:",
        'service "ledger" names no mesh, and "defaults" names none either; add "mesh: NAME"',
    ),
    "unknown default": (
        "platform: local\n",
        "platform: locall\n",
        "platform: locall",
        'defaults use the platform "locall", which region "eu" does not define; did you mean "local"?',
    ),
    "unknown mesh of a service": (
        "port: 7002",
        "port: 7002\n    mesh: envoi",
        "mesh: envoi",
        'service "billing" uses the mesh "envoi", which region "eu" does not define; did you mean "envoy"?',
    ),
    "unknown policy": (
        "policy: reroute",
        "policy: rerouted",
        "policy: rerouted",
        'service "billing" has the policy "rerouted", which is not defined; did you mean "reroute"?',
    ),
    "unknown default policy": (
        "policy: careful",
        "policy: carefull",
        "policy: carefull",
        'defaults name the policy "carefull", which is not defined; did you mean "careful"?',
    ),
    "a fallback policy without a fallback": (
        "    fallback: ledger\n",
        "",
        "policy: reroute",
        'service "billing" has the policy "reroute", which routes to a fallback, but names no "fallback"',
    ),
    "own fallback": ("fallback: ledger", "fallback: billing", "fallback: b", "is named as its own fallback"),
    "unknown fallback": ("fallback: ledger", "fallback: leger", "fallback: l", 'falls back to "leger", which'),
    "a fallback elsewhere": (
        "regions: [eu, us]",
        "regions: [us]",
        "fallback: ledger",
        'service "billing" falls back to "ledger", which does not run in "eu"',
    ),
    "a release that works and does not": (
        "    releases: [v2, v1]\n",
        "    releases: [v2, v1]\n    incompatible: [v0, v1]\n",
        "[v0, v1]",
        'service "ledger" calls the release "v1" known to work, and incompatible; leave it away in "releases" or in',
    ),
    "release twice": ("[v2, v1]", "[v1, v1]", "[v1, v1]", 'service "ledger" names the release "v1" twice'),
    "a release that YAML reads as a number": (
        "[v2, v1]",
        "[1.10]",
        "[1.10]",
        'service "ledger", releases[1]: 1.10 is read as a number; put it in quotes',
    ),
    "a region that YAML reads as false": (
        "regions: [eu]",
        "regions: [no]",
        "[no]",
        'service "billing", regions[1]: no is read as false; put it in quotes',
    ),
    "no name": ("  billing:", "  Billing:", "Billing", '"Billing" is not a name: lower-case letters'),
    "no SLOs": ("    slos:\n      availability: {objective: 99.9}\n", "", "  led", 'needs the field "slos"'),
    "key twice": ("port: 7002", "port: 7002\n    port: 7003", "port: 7003", '"port" was given in line'),
    "unset variable": (
        "${EU_MESH}",
        "${UE_MESH}",
        "UE_MESH",
        "the environment variable UE_MESH is not set; set it, or write ${UE_MESH:-default}",
    ),
    "no variable": ("${EU_MESH}", "${EU-MESH}", "EU-MESH", '"${EU-MESH}" names no variable; write ${NAME}'),
    "an open variable": ("${EU_MESH}", "${EU_MESH", "{EU_MESH", '"${EU_MESH" names no variable'),
    "a variable in flow style without quotes": ('"${EU_MESH}"', "${EU_MESH}", "EU_MESH", "in quotes"),
    "a tab": ("  ledger:", "\tledger:", "\tledger:", "a tab cannot indent a line; use spaces"),
    "a bracket left open": ("regions: [eu]", "regions: [eu", "port: 7002", "expected ',' or ']'"),
    "an unknown alias": ("regions: [eu]", "regions: *all", "*all", 'the alias "*all" stands for nothing'),
    "an unknown tag": ("port: 7002", "port: !!python/name:os.system 7002", "python", "is not known; leave it out"),
    "an infinite number": ("threshold_ms: 250", "threshold_ms: .inf", ".inf", '".inf" is not a finite number'),
    "a number without end": ("port: 7002", f"port: {'9' * 5000}", "99999", "is too long for a number"),
    "an unprintable character": ("[v2, v1]", "[v2, v\x01]", "\x01", "the character U+0001 cannot stand"),
    "a second document": ("policy: reroute", "policy: reroute\n---", "---", "a second document begins here"),
    "a wait that is longer than all leases can be renewed": (
        "level: protect",
        "level: protect\n    lease: 20\n    hold_timeout: 28800\n    breakers: {retries: 0, shed: {by: mesh}}",
        "hold_timeout: 28800",
        'policy "careful" waits 900 s for an approval and is then held for 28800 s; its 3 leases, with those of its '
        "breakers, of 20 s can be renewed for 10000 s at most",
    ),
    "a wait that is longer than a lease can be renewed": (
        "level: protect",
        "level: protect\n    lease: 5\n    approval_timeout: 3000\n    hold_timeout: 5000",
        "hold_timeout: 5000",
        'policy "careful" waits 3000 s for an approval and is then held for 5000 s; its lease of 5 s can be',
    ),
    "waits for a plan and for stages that are longer together": (
        "level: protect",
        "level: protect\n    lease: 5\n    hold_timeout: 1800\n    approval_timeout: 2000\n"
        "    rollback: {approve_before: [traffic, point-of-no-return]}",
        "approval_timeout: 2000",
        'policy "careful" waits 2000 s for each of 3 approvals and is then held for 1800 s',
    ),
    "a place for an approval that there is not": (
        "level: protect",
        "level: protect\n    rollback: {approve_before: [retirement]}",
        "retirement",
        "point-of-no-return",
    ),
    "a tier that there is not": (
        "policies:",
        "tiers: {9: {revenue_per_minute: 1, customers: 1}}\npolicies:",
        "9:",
        "no tier 9",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_its_cure(mistake: str) -> None:
    part, replacement, place, message = MISTAKES[mistake]
    assert part in RIGHT
    text = RIGHT.replace(part, replacement)
    with pytest.raises(CatalogError) as caught:
        parse(text, "catalog.yaml", ENVIRONMENT)
    said = {problem.line: problem.message for problem in caught.value.problems if message in problem.message}
    assert line_of(text, place) in said, str(caught.value)


def test_a_circle_of_dependencies_is_named_in_order() -> None:
    text = RIGHT.replace("    releases: [v2, v1]\n", "    depends_on: [billing]\n")
    with pytest.raises(CatalogError) as caught:
        parse(text, "catalog.yaml", ENVIRONMENT)
    (problem,) = caught.value.problems
    assert problem.message == "the dependencies go in a circle: ledger → billing → ledger"
    assert problem.line == line_of(text, "- ledger") - 1


def test_what_only_follows_from_another_problem_is_not_said() -> None:
    text = RIGHT.replace("port: 7002", "port: ${BILLING_PORT}").replace("  mesh: envoy\n", "  mesh: ${MESH}\n")
    with pytest.raises(CatalogError) as caught:
        parse(text, "catalog.yaml", ENVIRONMENT)
    said = [(problem.line, problem.message.split(";")[0]) for problem in caught.value.problems]
    assert said == [
        (line_of(text, "${MESH}"), "the environment variable MESH is not set"),
        (line_of(text, "${BILLING_PORT}"), "the environment variable BILLING_PORT is not set"),
    ]


def test_all_problems_come_in_one_go_and_in_the_order_of_the_file() -> None:
    text = RIGHT
    for part, replacement in [
        ("${EU_MESH}", "${NOBODY}"),
        ("peers: [us]", "peers: [su]"),
        ("tier: 1\n", "tier: 0\n"),
        ("- ledger", "- ledgr"),
        ("policy: reroute", "polcy: reroute"),
        ("objective: 99}", "objective: 100}"),
    ]:
        text = text.replace(part, replacement)
    with pytest.raises(CatalogError) as caught:
        parse(text, "catalog.yaml", ENVIRONMENT)
    lines = [problem.line for problem in caught.value.problems]
    wanted = ["NOBODY", "[su]", "tier: 0", "- ledgr", "objective: 100", "polcy"]
    assert lines == [line_of(text, part) for part in wanted]
    assert all(re.fullmatch(r"catalog\.yaml:\d+: .+", line) for line in str(caught.value).split("\n"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just words", "null", "42"])
def test_what_is_no_mapping_is_no_catalog(text: str) -> None:
    with pytest.raises(CatalogError, match=r"catalog\.yaml:1: .*version: 1"):
        parse(text, "catalog.yaml", {})
