"""How long something has lasted, in the words of every sentence of this module."""

from __future__ import annotations

from datetime import timedelta


def in_words(duration: timedelta) -> str:
    """To the second: ``3 days, 0:05:00``."""
    return str(timedelta(seconds=round(duration.total_seconds())))
