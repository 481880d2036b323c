"""Keeping a registry in touch with a control plane, in a thread of its own: no call ever waits for it.

Where the control plane is away, hangs, or says what nobody understands, the guards go on by its last word until that
lapses, and then by what they are configured to; :attr:`~sternway_guard.registry.Registry.standing` says so.
"""

from __future__ import annotations

import codecs
import http.client
import json
import logging
import os
import random
import threading
from collections import deque
from typing import Any
from urllib.parse import quote, urlsplit

from sternway_guard.protocol import LARGEST_LINE, VERSION, Garbage, read
from sternway_guard.registry import Registry
from sternway_guard.settings import ConfigurationError, check
from sternway_guard.transitions import Transition

_log = logging.getLogger("sternway_guard")

codecs.lookup("idna")  # in which hosts are looked up: a fork while a thread imports it would leave the child without

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before it is asked again, doubled while it does not answer, and half of it at random."""

UNTOLD = 1000
"""Transitions that are kept while it is away; of more, the newest."""

LONGEST_NAME = 500
"""Characters of a target's name that are told."""

TOGETHER = 500
"""Transitions in one report."""

TELL_EVERY = 1.0
"""Seconds between two reports of transitions."""


class Control:
    """Asks the control plane at *url* for the intents of *region*, with the *token* called ``guards`` there.

    *silence*: seconds after which one that says nothing is taken to hang. It is told how breakers change their state.
    ``start`` it once; it ends with the process, and begins anew in a forked one.
    """

    def __init__(self, registry: Registry, url: str, token: str, region: str, silence: float = 30.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"url must look like https://sternway.example.com, not {url!r}")
        if not token or not token.isascii() or not token.isprintable():
            raise ConfigurationError("token must be printable ASCII: the one called guards at the control plane")
        check("silence", silence, 0, above=True)
        self._registry, self._region, self._silence = registry, region, silence
        self._tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson"}
        self._untold: deque[Transition] = deque(maxlen=UNTOLD)
        self._stopped = threading.Event()
        self._started = False
        self._words = 0
        """That were understood."""
        registry.listen(self._untold.append)
        if hasattr(os, "register_at_fork"):  # after those of `forks`, so that the registry can be used
            os.register_at_fork(after_in_child=self._restart)

    def start(self) -> None:
        """Begin to listen. Again it does nothing."""
        if not self._started:
            self._started = True
            self._run()

    def stop(self) -> None:
        """Listen no more; the guards go on by the last word until it lapses."""
        self._stopped.set()

    def _restart(self) -> None:
        """In a forked process, which has the registry and none of the threads. What has happened its parent tells."""
        self._untold.clear()
        if self._started and not self._stopped.is_set():
            self._stopped = threading.Event()
            self._run()

    def _run(self) -> None:
        for name, work in (("listens", self._listen_on), ("tells", self._tell_on)):
            threading.Thread(target=work, name=f"sternway-guard-{name}", daemon=True).start()

    def _listen_on(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stopped.is_set():
            before = self._words
            try:
                self._listen()
            except (OSError, http.client.HTTPException, Garbage) as error:
                _log.warning("no word of the control plane at %s: %s", self._host, error or type(error).__name__)
            except Exception:  # noqa: BLE001 -- whatever it is, the next word may be better
                _log.exception("listening to the control plane at %s failed", self._host)
            if self._words != before:
                pause = SHORTEST_PAUSE  # it was heard, so it is there
            self._registry.lapse()
            self._stopped.wait(pause * (0.5 + 0.5 * random.random()))  # noqa: S311 -- so that guards do not come together
            pause = min(2 * pause, LONGEST_PAUSE)

    def _listen(self) -> None:
        """Until the stream ends. Raises ``OSError``, ``HTTPException``, :class:`Garbage`."""
        connection = self._connection(self._silence)
        try:
            path = f"{self._path}/v1/guards?region={quote(self._region, safe='')}"
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise Garbage(f"it answered {answer.status} {answer.reason}")
            while not self._stopped.is_set():
                line = answer.readline(LARGEST_LINE + 1)
                if not line:
                    return
                if len(line) > LARGEST_LINE:
                    raise Garbage(f"a line of more than {LARGEST_LINE} bytes")
                if not self._registry.apply(read(line)):
                    return  # something was missed: ask for all of it
                self._words += 1
        finally:
            connection.close()

    def _tell_on(self) -> None:
        while not self._stopped.wait(TELL_EVERY):
            self._registry.lapse()
            told: list[Transition] = []
            while self._untold and len(told) < TOGETHER:
                told.append(self._untold.popleft())
            try:
                if told and not self._tell(told):
                    self._untold.extendleft(reversed(told))
            except Exception:  # noqa: BLE001 -- whatever it is, the next report may be better
                _log.exception("telling the control plane at %s of %d transitions failed", self._host, len(told))

    def _tell(self, told: list[Transition]) -> bool:
        """Whether it has an answer. One that refuses them would do so again."""
        said = [
            {
                "target": str(one.target)[:LONGEST_NAME],
                "before": one.before.value,
                "after": one.after.value,
                "because": one.because,
            }
            for one in told
        ]
        body: dict[str, Any] = {"v": VERSION, "region": self._region, "transitions": said}
        connection = self._connection(5.0)
        try:
            headers = {**self._headers, "Content-Type": "application/json"}
            connection.request("POST", f"{self._path}/v1/guards/transitions", json.dumps(body), headers)
            answer = connection.getresponse()
            if 400 <= answer.status < 500:
                _log.warning("%s took no transitions: %d %s", self._host, answer.status, answer.reason)
            return answer.status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        return kind(str(self._host), self._port, timeout=timeout)
