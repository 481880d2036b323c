"""Named places in the code at which a chaos run may let something happen; unused, each costs one comparison.

A chaos run sets ``STERNWAY_FAULT_POINTS`` to a Unix socket on which it listens. A process that comes to a point says
the point's name there, and stands still until it is answered. Meanwhile the run kills it, or another process, or the
disk under it, and so knows at which place in the code that was. ``tests/chaos`` finds the points by listening to an
undisturbed run, so that a step, a driver or an activity that is added later joins by itself.
"""

from __future__ import annotations

import os
import socket

VARIABLE = "STERNWAY_FAULT_POINTS"

LONGEST = 60.0
"""Seconds that a process stands still at the most: whoever listens may have been stopped himself."""

_listener = os.environ.get(VARIABLE) or None


def asked() -> bool:
    """Whether anybody listens at all."""
    return _listener is not None


def reached(point: str, subject: str = "") -> None:
    """Say that this process has come to *point* with *subject*, and stand still until it is told to go on.

    Safe in any thread.
    """
    if _listener is None:
        return
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LONGEST)
            connection.connect(_listener)
            connection.sendall(f"{os.getpid()} {point} {subject}\n".encode())
            connection.recv(1)
    except OSError:  # whoever listened has gone; a run without chaos goes on
        return
