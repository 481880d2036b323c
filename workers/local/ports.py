"""Free ports, found by asking the kernel for all of them at once, so that no two are the same."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def free_ports(count: int, hosts: tuple[str, ...] = ("127.0.0.1",)) -> list[int]:
    """*count* different ports that are free on every one of *hosts* at this moment."""
    with ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            first = held.enter_context(socket.socket())
            first.bind((hosts[0], 0))
            port: int = first.getsockname()[1]
            if all(_take(held, host, port) for host in hosts[1:]):
                found.append(port)
        return found


def _take(held: ExitStack, host: str, port: int) -> bool:
    other = held.enter_context(socket.socket())
    try:
        other.bind((host, port))
    except OSError:
        return False
    return True
