"""With the control plane killed, hung, or saying what nobody understands, decisions go on and no call waits."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from plane import Plane
from sternway_guard import Control, GuardSettings, Mode, Registry, State, control
from sternway_guard.protocol import LARGEST_LINE
from sternway_guard.settings import BreakerSettings, Fixed

from tests.waiting import until

TOKEN = "a token of guards"
SETTINGS = GuardSettings(breaker=BreakerSettings(trips=Fixed(share=0.5, least=4)))


def line(epoch: int, since: int = 0, ttl: float = 30, **intents: Any) -> bytes:
    return json.dumps({"v": 1, "epoch": epoch, "since": since, "ttl": ttl, "intents": intents}).encode() + b"\n"


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    monkeypatch.setattr(control, "SHORTEST_PAUSE", 0.02)
    monkeypatch.setattr(control, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(control, "TELL_EVERY", 0.02)
    made = Plane()
    made.start()
    yield made
    made.kill()


@pytest.fixture
def listening(plane: Plane) -> Iterator[Callable[..., Registry]]:
    controls: list[Control] = []

    def listen(silence: float = 30.0) -> Registry:
        registry = Registry(SETTINGS)
        made = Control(registry, f"http://127.0.0.1:{plane.port}", TOKEN, "eu", silence)
        controls.append(made)
        made.start()
        return registry

    yield listen
    for made in controls:
        made.stop()


def mode(registry: Registry) -> Mode:
    return registry.guard("payments").breaker.mode


async def test_it_asks_for_its_region_and_does_what_is_said(plane: Plane, listening: Callable[..., Registry]) -> None:
    plane.says, plane.hangs = (
        [
            line(1, payments={"mode": "off", "override": True}),
            line(2, 1, payments={"mode": "shadow", "override": True}),
        ],
        True,
    )
    registry = listening()
    await until(lambda: mode(registry) is Mode.SHADOW, 5, "the second word is heard")
    assert plane.asked == [("/v1/guards?region=eu", f"Bearer {TOKEN}")]
    assert (registry.standing.epoch, registry.standing.alone) == (2, False)


async def test_killed_it_is_missed_by_no_call_and_its_word_holds_until_it_lapses(
    plane: Plane, listening: Callable[..., Registry]
) -> None:
    plane.says, plane.hangs = [line(1, ttl=1, payments={"mode": "shadow", "override": True})], True
    registry = listening()
    await until(lambda: mode(registry) is Mode.SHADOW, 5, "its word is heard")
    plane.kill()
    assert mode(registry) is Mode.SHADOW
    await until(lambda: registry.standing.alone, 5, "its word has lapsed")
    assert mode(registry) is Mode.ON
    decides_alone(registry)
    plane.says = [line(1, payments={"mode": "off", "override": True})]
    plane.start()
    await until(lambda: mode(registry) is Mode.OFF, 5, "it is back")


async def test_hung_it_is_left_and_asked_again(plane: Plane, listening: Callable[..., Registry]) -> None:
    plane.hangs = True
    registry = listening(silence=0.05)
    await until(lambda: len(plane.asked) >= 3, 5, "it is asked again and again")
    assert registry.standing.alone
    decides_alone(registry)


async def test_one_that_takes_connections_and_nothing_else_keeps_no_call(
    listening: Callable[..., Registry], plane: Plane
) -> None:
    plane.kill()
    with socket.create_server(("127.0.0.1", plane.port)):
        decides_alone(listening(silence=0.05))


@pytest.mark.parametrize(
    "garbage",
    [b"<html>\n", b'{"v": 7}\n', b"\x00" * 100 + b"\n", b"x" * (LARGEST_LINE + 10), line(0, 0, ttl=-1)],
    ids=["html", "version", "zeros", "endless", "ttl"],
)
async def test_garbage_is_no_word_and_the_next_one_counts(
    plane: Plane, listening: Callable[..., Registry], garbage: bytes
) -> None:
    plane.says, plane.hangs = [line(5, payments={"mode": "shadow", "override": True}), garbage], True
    registry = listening()
    await until(lambda: mode(registry) is Mode.SHADOW, 5, "the word before it is heard")
    await until(lambda: len(plane.asked) >= 2, 5, "it is asked again")
    assert mode(registry) is Mode.SHADOW, "the last word holds"
    plane.says = [line(6, payments={"mode": "off", "override": True})]
    await until(lambda: mode(registry) is Mode.OFF, 5, "a word that counts")


async def test_an_old_epoch_changes_nothing(plane: Plane, listening: Callable[..., Registry]) -> None:
    plane.says = [line(9, payments={"mode": "shadow", "override": True}), line(3, payments={"mode": "forced-open"})]
    registry = listening()
    await until(lambda: len(plane.asked) >= 2, 5, "all of it is heard")
    assert (mode(registry), registry.standing.epoch) == (Mode.SHADOW, 9)


async def test_where_something_was_missed_all_of_it_is_asked_for(
    plane: Plane, listening: Callable[..., Registry]
) -> None:
    plane.says, plane.hangs = [line(1), line(4, 3, payments={"mode": "off", "override": True})], True
    registry = listening()
    await until(lambda: len(plane.asked) >= 2, 5, "it is asked again")
    assert mode(registry) is Mode.ON


@pytest.mark.parametrize("status", [401, 404, 500, 503])
async def test_a_control_plane_that_says_no_is_asked_again_later(
    plane: Plane, listening: Callable[..., Registry], status: int
) -> None:
    plane.status = status
    registry = listening()
    await until(lambda: len(plane.asked) >= 2, 5, "it is asked again")
    assert registry.standing.alone


async def test_it_is_told_of_transitions_also_of_those_while_it_was_away(plane: Plane) -> None:
    registry = Registry(SETTINGS)
    told = Control(registry, f"http://127.0.0.1:{plane.port}", TOKEN, "eu")
    plane.kill()
    told.start()
    decides_alone(registry)
    plane.start()
    await until(lambda: plane.told, 5, "it is told")
    told.stop()
    assert plane.told[0] == {
        "v": 1,
        "region": "eu",
        "transitions": [
            {"target": "payments", "before": "closed", "after": "open", "because": "its calls have become worse"}
        ],
    }


def decides_alone(registry: Registry) -> None:
    """Its breaker trips as it is configured to, and without a wait: one on the network would be much longer."""
    guard, began = registry.guard("payments"), time.monotonic()
    for _ in range(4):
        with pytest.raises(ValueError), guard.call():
            raise ValueError
    assert guard.breaker.state is State.OPEN
    assert time.monotonic() - began < 5
