"""Clocks that jump: with Debian's libfaketime a process sees another time of day from one instant to the next.

Only the wall clock jumps, as it does when somebody sets it; the monotonic one goes on. A part with such a clock opens a
file at every look at the time, which costs more than all its other work: only the one whose clock is to jump has it.
"""

from __future__ import annotations

from pathlib import Path

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""None where it is not installed: then no clock jumps, and the run says so."""

FAKED = ("pool", "gateway", "mesh", "agent")


def environment(part: str, folder: Path) -> dict[str, str]:
    """What a part needs so that :func:`set_clock` moves its clock."""
    set_clock(part, folder, 0)
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(_file(part, folder)),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(part: str, folder: Path, seconds: int) -> None:
    """Seen by the part at once."""
    file = _file(part, folder)
    draft = file.with_suffix(".draft")
    draft.write_text(f"{seconds:+d}\n")
    draft.replace(file)


def offset(part: str, folder: Path) -> int:
    """Seconds by which the part's clock is ahead."""
    return int(_file(part, folder).read_text())


def _file(part: str, folder: Path) -> Path:
    return folder / f"{part}.clock"
