"""Guards of many targets, made when they are first asked for, and steered together by a control plane."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from weakref import WeakSet

from sternway_guard import forks
from sternway_guard.breaker import is_failure
from sternway_guard.guard import Guard
from sternway_guard.probes import ProbeBudget
from sternway_guard.protocol import Intent, Update
from sternway_guard.settings import GuardSettings, check_count
from sternway_guard.transitions import Listener

_DEFAULT = GuardSettings()


@dataclass(frozen=True)
class Standing:
    """Whom the guards listen to."""

    epoch: int
    """Of the last word of a control plane; 0: there was none."""
    alone: bool
    """No control plane is heard: the guards decide by what they are configured to."""
    heard: float | None
    """Seconds since its last word."""


class Registry:
    """Threads and tasks may share it.

    *settings* hold for every target but those in *settings_of*. *fails* says of errors whether they are failures; of
    what httpx answers or raises, the transport around it does. *most* targets are kept, those that were asked for last:
    names that come from outside would otherwise fill the memory. *probes* of all half-open breakers together run at
    once; those of a last stage, which lets every call through, are not counted.
    """

    def __init__(
        self,
        settings: GuardSettings = _DEFAULT,
        settings_of: Mapping[Hashable, GuardSettings] | None = None,
        *,
        fails: Callable[[BaseException], bool] = is_failure,
        listeners: tuple[Listener, ...] = (),
        most: int = 10_000,
        probes: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_count("most", most, 1)
        check_count("probes", probes, 1)
        self._settings, self._settings_of = settings, dict(settings_of or {})
        self._fails, self._listeners, self._most, self._clock = fails, list(listeners), most, clock
        self._probes = ProbeBudget(probes)
        self._lock = threading.Lock()
        self._guards: OrderedDict[Hashable, Guard] = OrderedDict()
        """The one that was asked for last is the last."""
        self._in_use: WeakSet[Guard] = WeakSet()
        """Also those that somebody holds on to though they are not kept here any more: they obey as well."""
        self._intents: dict[str, Intent] = {}
        self._epoch = 0
        self._heard: float | None = None
        self._lapses = -inf
        forks.remember(self)

    def forked(self) -> None:
        """The same guards, by the same word until it lapses."""
        self._lock, self._in_use = threading.Lock(), WeakSet(self._in_use)

    def guard(self, target: Hashable) -> Guard:
        """The guard of *target*, always the same. Raises ``TypeError`` where it is not hashable."""
        try:
            hash(target)
        except TypeError as error:
            raise TypeError(f"target must be hashable, as a name or a tuple of names is, not {target!r}") from error
        with self._lock:
            if target not in self._guards:
                self._make(target)
            self._guards.move_to_end(target)
            return self._guards[target]

    def __iter__(self) -> Iterator[Guard]:
        return iter(tuple(self._guards.values()))

    def listen(self, listener: Listener) -> None:
        """Tell *listener* of the transitions of all guards, also of those that there are already."""
        self._listeners.append(listener)  # the guards have this very list

    @property
    def standing(self) -> Standing:
        with self._lock:
            now = self._clock()
            self._lapse(now)
            heard = None if self._heard is None else now - self._heard
            return Standing(self._epoch, now >= self._lapses, heard)

    def apply(self, update: Update) -> bool:
        """Do what the control plane says. False: something before it was missed, so nothing of it was done."""
        with self._lock:
            now = self._clock()
            if update.since not in (0, self._epoch):
                return False
            if update.epoch < self._epoch and now < self._lapses:
                return True  # an old word, from a control plane that others have overtaken
            if update.since == 0:
                self._lift_all_but(update.intents)
            for target, intent in update.intents.items():
                self._intend(target, intent)
            self._epoch, self._heard, self._lapses = update.epoch, now, now + update.ttl
            return True

    def lapse(self) -> None:
        """Lift what the control plane has not renewed in time."""
        with self._lock:
            self._lapse(self._clock())

    def _make(self, target: Hashable) -> None:
        settings = self._settings_of.get(target, self._settings)
        made = Guard(target, settings, fails=self._fails, listeners=self._listeners, probes=self._probes)
        if intent := self._intents.get(str(target)):
            made.intend(intent)
        self._guards[target] = made
        self._in_use.add(made)
        if len(self._guards) > self._most:
            self._guards.popitem(last=False)

    def _lapse(self, now: float) -> None:
        if self._intents and now >= self._lapses:
            self._lift_all_but({})

    def _lift_all_but(self, kept: Mapping[str, object]) -> None:
        for target in [target for target in self._intents if target not in kept]:
            self._intend(target, None)

    def _intend(self, target: str, intent: Intent | None) -> None:
        if intent is None:
            self._intents.pop(target, None)
        else:
            self._intents[target] = intent
        for guard in self._in_use:
            if str(guard.target) == target:
                guard.intend(intent or Intent())
