"""Keeping the garbage collector out of the first protective action's way."""

from __future__ import annotations

import gc


def settle() -> None:
    """Take all that exists now out of the collector's sight. Call once a process has loaded what it works with.

    A full collection looks at every object: over the modules of a gateway that takes 130 ms, and it comes at any
    moment. What was loaded lives as long as the process, so nothing is lost by never looking at it again.
    """
    gc.collect()
    gc.freeze()
