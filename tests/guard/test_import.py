"""Whoever wants a breaker does not wait for what it does not need."""

from __future__ import annotations

import resource
import subprocess
import sys
from statistics import median

import pytest

MOST = 0.030
"""Seconds of a processor."""


def took(code: str) -> float:
    """Seconds of a processor that a process of its own needs: how busy the machine is makes no difference to them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def test_importing_it_takes_less_than_thirty_milliseconds() -> None:
    rounds = [took("import sternway_guard") - took("pass") for _ in range(15)]
    assert median(rounds) < MOST


@pytest.mark.parametrize("name", ["Breaker", "Guard", "Limiter", "Registry", "Fallback", "deadline"])
def test_what_a_breaker_has_no_use_for_is_not_imported_with_it(name: str) -> None:
    asks = f"import sys; from sternway_guard import {name}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", asks], check=True, capture_output=True, text=True).stdout.split()
    assert {"asyncio", "http", "socket", "ssl", "httpx"}.isdisjoint(found)
