"""The order of a conversation with a proxy, which is what makes an update safe."""

from __future__ import annotations

from dataclasses import replace

from workers.mesh.delta import Conversation, ForNewcomers, Rejection, Request, Response
from workers.mesh.resource import Kind, Resource, ResourceKey


def made(kind: Kind, name: str, version: str = "1") -> Resource:
    return Resource(ResourceKey(kind, name), b"", version)


def served(*resources: Resource) -> dict[Kind, dict[str, Resource]]:
    return {kind: {r.key.name: r for r in resources if r.key.kind is kind} for kind in Kind}


def sent(responses: list[Response]) -> list[tuple[Kind, tuple[str, ...], tuple[str, ...]]]:
    return [(r.kind, tuple(x.key.name for x in r.resources), r.removed) for r in responses]


CLUSTER, ENDPOINTS = made(Kind.CLUSTER, "c"), made(Kind.ENDPOINTS, "c")
LISTENER, ROUTES = made(Kind.LISTENER, "l"), made(Kind.ROUTES, "l")
ALL = served(CLUSTER, ENDPOINTS, LISTENER, ROUTES)


def connected(*acknowledged: Kind) -> tuple[Conversation, dict[Kind, Response]]:
    """A proxy that asked for everything and confirmed *acknowledged*; the answers that are open."""
    conversation = Conversation()
    conversation.receive(Request(Kind.CLUSTER))
    conversation.receive(Request(Kind.ENDPOINTS, subscribe=("c",)))
    conversation.receive(Request(Kind.LISTENER))
    conversation.receive(Request(Kind.ROUTES, subscribe=("l",)))
    open_answers: dict[Kind, Response] = {}
    while responses := conversation.due(ALL):
        for response in responses:
            open_answers[response.kind] = response
            if response.kind in acknowledged:
                conversation.receive(Request(response.kind, nonce=response.nonce))
                del open_answers[response.kind]
    return conversation, open_answers


def test_endpoints_do_not_wait_for_their_cluster_but_listeners_and_routes_do() -> None:
    _, answers = connected()
    assert set(answers) == {Kind.CLUSTER, Kind.ENDPOINTS}
    _, answers = connected(Kind.CLUSTER, Kind.ENDPOINTS)
    assert set(answers) == {Kind.LISTENER, Kind.ROUTES}


def test_what_is_confirmed_is_not_sent_again() -> None:
    conversation, answers = connected(*Kind)
    assert answers == {}
    assert conversation.due(ALL) == []
    assert conversation.confirmed(CLUSTER.key) == "1"


def test_a_modified_cluster_gets_its_endpoints_again() -> None:
    conversation, _ = connected(*Kind)
    changed = served(made(Kind.CLUSTER, "c", "2"), ENDPOINTS, LISTENER, ROUTES)
    assert sent(conversation.due(changed)) == [(Kind.CLUSTER, ("c",), ()), (Kind.ENDPOINTS, ("c",), ())]


def test_a_cluster_is_removed_after_the_routes_that_led_to_it() -> None:
    conversation, _ = connected(*Kind)
    without = served(LISTENER, made(Kind.ROUTES, "l", "2"))
    first = conversation.due(without)
    assert sent(first) == [(Kind.ROUTES, ("l",), ())]
    conversation.receive(Request(Kind.ROUTES, nonce=first[0].nonce))
    assert sent(conversation.due(without)) == [(Kind.CLUSTER, (), ("c",))]


def test_endpoints_drain_after_the_routes_that_led_to_them() -> None:
    conversation, _ = connected(*Kind)
    drained = replace(made(Kind.ENDPOINTS, "c", "2"), after_routes=True)
    switched = served(CLUSTER, drained, LISTENER, made(Kind.ROUTES, "l", "2"))
    first = conversation.due(switched)
    assert sent(first) == [(Kind.ROUTES, ("l",), ())]
    assert conversation.due(switched) == []
    conversation.receive(Request(Kind.ROUTES, nonce=first[0].nonce))
    assert sent(conversation.due(switched)) == [(Kind.ENDPOINTS, ("c",), ())]


def test_a_new_proxy_gets_drained_endpoints_at_once_because_its_cluster_waits_for_them() -> None:
    conversation = Conversation()
    conversation.receive(Request(Kind.CLUSTER))
    conversation.receive(Request(Kind.ENDPOINTS, subscribe=("c",)))
    drained = replace(ENDPOINTS, after_routes=True)
    answers = conversation.due(served(CLUSTER, drained, LISTENER, ROUTES))
    assert [answer.kind for answer in answers] == [Kind.CLUSTER, Kind.ENDPOINTS]


def test_a_proxy_that_comes_back_is_sent_only_what_it_lacks() -> None:
    conversation = Conversation()
    conversation.receive(Request(Kind.CLUSTER, initial={"c": "1", "gone": "1"}))
    assert conversation.confirmed(CLUSTER.key) == "1"
    now = served(CLUSTER, made(Kind.CLUSTER, "new"))
    (added,) = conversation.due(now)
    assert sent([added]) == [(Kind.CLUSTER, ("new",), ())]
    conversation.receive(Request(Kind.CLUSTER, nonce=added.nonce))
    assert sent(conversation.due(now)) == [(Kind.CLUSTER, (), ("gone",))]


def test_a_rejection_names_its_culprit_and_the_others_are_sent_again() -> None:
    conversation = Conversation()
    conversation.receive(Request(Kind.CLUSTER))
    good, bad = made(Kind.CLUSTER, "good"), made(Kind.CLUSTER, "bad")
    (response,) = conversation.due(served(good, bad))
    rejection = conversation.receive(Request(Kind.CLUSTER, nonce=response.nonce, error="cluster bad: no such thing"))
    assert rejection == Rejection({bad.key: "1"}, "cluster bad: no such thing")
    assert sent(conversation.due(served(good, bad))) == [(Kind.CLUSTER, ("good",), ())]
    assert conversation.confirmed(bad.key) is None


def test_a_resource_that_is_asked_for_again_is_sent_again() -> None:
    conversation, _ = connected(*Kind)
    conversation.receive(Request(Kind.ENDPOINTS, subscribe=("c",)))
    assert sent(conversation.due(ALL)) == [(Kind.ENDPOINTS, ("c",), ())]


def test_the_standby_tells_nothing_to_a_proxy_that_has_its_configuration() -> None:
    newcomer, known = ForNewcomers(), ForNewcomers()
    newcomer.receive(Request(Kind.CLUSTER))
    known.receive(Request(Kind.CLUSTER, initial={"c": "newer"}))
    assert sent(newcomer.due(ALL)) == [(Kind.CLUSTER, ("c",), ())]
    assert known.due(ALL) == []
