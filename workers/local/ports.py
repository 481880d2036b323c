"""Free ports that stay free until their process binds them.

They are taken from below the range from which the kernel gives ports by itself: a port of that range may be gone to
somebody's outgoing connection, or to a replica, between this look and the bind.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from models.base import SternwayError

KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10240


def free_ports(count: int, hosts: tuple[str, ...] = ("127.0.0.1",)) -> list[int]:
    """*count* different ports that are free on every one of *hosts* at this moment."""
    candidates = list(range(LOWEST, int(KERNEL_RANGE.read_text().split()[0])))
    random.shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if all(_free(host, port) for host in hosts):
            found.append(port)
        if len(found) == count:
            return found
    raise SternwayError(f"there are no {count} free ports from {LOWEST} on; stop something that listens")


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
