"""A process that was ended is gone with all that it held: whoever starts it again finds its port free."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from tests.waiting import until
from workers.local.ports import free_ports
from workers.local.processes import Processes

HALF_DEAD = """
import ctypes, platform, socket, sys, threading, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=time.sleep, args=(600,)).start()
EXIT_THIS_THREAD = {"x86_64": 60, "aarch64": 93}[platform.machine()]
ctypes.CDLL(None).syscall(EXIT_THIS_THREAD, 0)
"""
"""Its first thread has ended, as in a large process that is just being killed, and another one holds its port."""


async def test_one_whose_first_thread_has_ended_is_waited_for(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    processes = Processes(tmp_path)
    started = processes.start("half-dead", [sys.executable, "-c", HALF_DEAD, str(port)], os.environ)
    await until(lambda: not started.alive(), 10, "its first thread has ended")
    processes.kill_named("half-dead")
    socket.create_server(("127.0.0.1", port)).close()
