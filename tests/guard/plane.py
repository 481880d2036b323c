"""A control plane that says what a test wants: a real server, on a port that it keeps over its own death."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Plane:
    says: list[bytes] = field(default_factory=list)
    """The first words of each stream."""
    hangs: bool = False
    """Whether it says nothing after them, and does not go either; otherwise the stream ends."""
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        plane = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plane.asked.append((self.path, self.headers["Authorization"]))
                self.send_response(plane.status)
                self.end_headers()
                for said in plane.says:
                    self.wfile.write(said)
                self.wfile.flush()
                while plane.hangs and plane._server is server:
                    time.sleep(0.01)

            def do_POST(self) -> None:
                plane.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(202)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server, self.port = server, server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def kill(self) -> None:
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
