"""What is served after a refusal: the version before it, and never less because of one proxy's own trouble."""

from __future__ import annotations

import pytest

from workers.mesh.delta import Conversation, Rejection, Request
from workers.mesh.publication import Publication
from workers.mesh.resource import Kind, Resource, ResourceKey


def listener(version: str, name: str = "payments") -> Resource:
    return Resource(ResourceKey(Kind.LISTENER, name), b"", version)


def published(*wanted: Resource, good: tuple[Resource, ...] = ()) -> Publication:
    publication = Publication(good)
    publication.want(wanted)
    return publication


def test_a_refused_version_gives_way_to_the_last_good_one() -> None:
    old, new = listener("1"), listener("2")
    publication = published(new, good=(old,))
    publication.refuse("envoy-eu", {new.key: "2"}, "no")
    assert publication.served() == [old]
    assert [refusal.error for refusal in publication.refusals()] == ["no"]


def test_a_version_that_one_proxy_confirmed_stays_served_when_another_refuses_it() -> None:
    wanted = listener("1")
    publication = published(wanted)
    publication.confirm([wanted])
    publication.refuse("envoy-eu-2", {wanted.key: "1"}, "cannot bind: address already in use")
    assert publication.served() == [wanted]
    assert publication.good() == [wanted]


def test_what_was_never_good_is_not_served_after_a_refusal() -> None:
    wanted = listener("1")
    publication = published(wanted)
    publication.refuse("envoy-eu", {wanted.key: "1"}, "no")
    assert publication.served() == []


@pytest.mark.parametrize(
    ("error", "culprits"),
    [
        ("Error adding/updating listener(s) payments: cannot bind", {"payments"}),
        ("Error adding/updating listener(s) payments-eu: cannot bind", {"payments-eu"}),
        ("Error adding/updating listener(s) pay: cannot bind", {"pay"}),
        ("something else went wrong", {"pay", "payments", "payments-eu"}),
    ],
)
def test_a_refusal_blames_whole_names_only(error: str, culprits: set[str]) -> None:
    conversation = Conversation()
    conversation.receive(Request(Kind.LISTENER))
    offered = {name: listener("1", name) for name in ("pay", "payments", "payments-eu")}
    (response,) = conversation.due({kind: offered if kind is Kind.LISTENER else {} for kind in Kind})

    answer = conversation.receive(Request(Kind.LISTENER, nonce=response.nonce, error=error))

    assert isinstance(answer, Rejection)
    assert {key.name for key in answer.versions} == culprits
