"""Counts over time in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ZERO, UNKNOWN = "·", " "


def sparkline(values: Sequence[float | None], top: float) -> str:
    """A character for each of *values*: a bar against *top*, a dot for zero, a blank where nothing is known."""
    return "".join(_bar(value, top) for value in values)


def _bar(value: float | None, top: float) -> str:
    if value is None:
        return UNKNOWN
    if value <= 0:
        return ZERO
    return BARS[min(len(BARS) - 1, int(value / top * len(BARS)))] if top > 0 else BARS[-1]


def last(counts: Sequence[tuple[float, int]], now: float, seconds: int, width: int) -> list[float | None]:
    """*counts* (Unix time, count) of the last *seconds* before *now* in *width* equal slots, as counts a second.

    A slot without a count is None.
    """
    slot = seconds / width
    slots: list[list[int]] = [[] for _ in range(width)]
    for at, count in counts:
        place = int((at - now + seconds) / slot)
        if now - seconds < at <= now and 0 <= place < width:
            slots[place].append(count)
    return [sum(found) / len(found) if found else None for found in slots]
