"""A setting that is out of its range is refused where it is made, by its name and with what it may be."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import pytest
from sternway_guard import (
    BreakerSettings,
    ConfigurationError,
    Control,
    Fallback,
    Fixed,
    GuardSettings,
    Learned,
    LimitSettings,
    Registry,
    RetryBudget,
    deadline,
)

WRONG: list[tuple[Callable[..., object], str, list[object]]] = [
    (Learned, "false_trips", [0, -1, nan, inf, "5", 200_000]),
    (Learned, "least", [0, -3, 2.5, inf]),
    (Learned, "harm", [-0.1, 1.1, nan]),
    (Learned, "tolerated", [0, 0.95]),
    (Fixed, "share", [0, 1.1, True]),
    (Fixed, "least", [0]),
    (Fixed, "seconds", [0, 4000, 2.5]),
    (BreakerSettings, "slow_after", [0, -1, nan]),
    (BreakerSettings, "open_for", [0, -1]),
    (BreakerSettings, "longest_open", [1]),
    (BreakerSettings, "stage", [0, inf]),
    (LimitSettings, "initial", [0, 5000]),
    (LimitSettings, "least", [0]),
    (LimitSettings, "most", [1]),
    (LimitSettings, "waiting", [-1, None]),
    (LimitSettings, "longest_wait", [0]),
    (GuardSettings, "retries", [-0.1, 2]),
    (RetryBudget, "share", [-1, 1.5]),
    (RetryBudget, "least", [-1]),
    (Registry, "most", [0]),
    (Registry, "probes", [0, 2.5, inf]),
    (Fallback, "fresh", [-1]),
    (Fallback, "kept", [0]),
]


@pytest.mark.parametrize(
    ("made", "name", "value"), [(made, name, value) for made, name, values in WRONG for value in values]
)
def test_it_is_named_with_what_it_may_be(made: Callable[..., object], name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name} must be a (whole )?number (at least|above) .*, not "):
        made(**{name: value})


def test_a_deadline_is_not_negative() -> None:
    with pytest.raises(ConfigurationError, match=r"^seconds must be a number at least 0, not -1$"), deadline(-1):
        pass


@pytest.mark.parametrize("url", ["", "sternway.example.com", "ftp://sternway.example.com", "http://"])
def test_a_control_plane_has_a_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^url must look like https://"):
        Control(Registry(), url, "token", "eu")


@pytest.mark.parametrize("token", ["", "tökèn", "line\nbreak"])
def test_a_token_can_be_sent(token: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^token must be printable ASCII"):
        Control(Registry(), "http://127.0.0.1:1", token, "eu")


def test_a_fallback_needs_something_to_answer() -> None:
    with pytest.raises(ValueError, match="set default, fresh or stale"):
        Fallback()
