"""A program that forks while guards are in use: what its children find goes into its exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from set_clock import Clock
from sternway_guard import (
    Breaker,
    BreakerSettings,
    Control,
    Fallback,
    Fixed,
    Guard,
    GuardSettings,
    Limiter,
    LimitSettings,
    Mode,
    ProbeBudget,
    Registry,
    RetryBudget,
    State,
    Transition,
    control,
)

TRIPS = BreakerSettings(trips=Fixed(share=0.5, least=1), slow_after=0.5)


def forked(work: Callable[[], object], seconds: int = 20) -> int:
    """Do that in a child, and be killed if it hangs; its process id."""
    if child := os.fork():
        return child
    code = 1
    try:
        signal.alarm(seconds)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 -- a child must not go on as the parent would
        traceback.print_exc()
    os._exit(code)


def well(*children: int) -> None:
    """Each of them has ended, and without an error."""
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * len(codes), codes


@dataclass
class Halting:
    """Halts every other thread where it is asked for something: in the middle, with whatever it holds."""

    pass_over: int = 0
    halted: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> float:
        if threading.current_thread() is not threading.main_thread():
            self.pass_over -= 1
            if self.pass_over >= 0:
                return time.monotonic()
            self.halted.set()
            self.go_on.wait()
        return time.monotonic()

    def __hash__(self) -> int:
        self()
        return 1


def while_a_thread_is_in(work: Callable[[Halting], tuple[Callable[[], object], Callable[[], object]]]) -> None:
    """Fork while another thread is in the middle of the first, and do the second in the child."""
    halting = Halting()
    holds, then = work(halting)
    thread = threading.Thread(target=holds, daemon=True)
    thread.start()
    assert halting.halted.wait(10)
    child = forked(then)
    halting.go_on.set()
    thread.join(10)
    well(child)


def a_breaker(halting: Halting) -> tuple[Callable[[], object], Callable[[], object]]:
    halting.pass_over = 1  # how long the call took; it is asked again with the lock
    breaker = Breaker("payments", TRIPS, clock=halting)
    running = breaker.begin()

    def trips() -> None:
        breaker.begin().end(ValueError())
        assert breaker.state is State.OPEN

    return lambda: running.end(ValueError()), trips


def a_listener(halting: Halting) -> tuple[Callable[[], object], Callable[[], object]]:
    """The child goes on where the parent was, and tells of what happens from then on."""
    heard: list[Transition] = []
    clock = Clock()

    def listener(transition: Transition) -> None:
        halting()
        heard.append(transition)

    breaker = Breaker("payments", TRIPS, listeners=(listener,), clock=clock)

    def goes_on() -> None:
        assert breaker.state is State.OPEN
        clock.now += 5
        breaker.begin().end()
        assert [one.after for one in heard] == [State.HALF_OPEN]

    return lambda: breaker.begin().end(ValueError()), goes_on


def a_limit(halting: Halting) -> tuple[Callable[[], object], Callable[[], object]]:
    """The place of the main thread is the parent's: the child has all of its own, and gives back none of those."""
    halting.pass_over = 1  # when the place was taken; it is asked again with the lock
    limiter = Limiter("payments", LimitSettings(initial=2), clock=halting)
    taken = limiter.place()
    taken.__enter__()

    def holds() -> None:
        with limiter.place():
            pass

    def has_both() -> None:
        assert limiter.running == 0
        with limiter.place(), limiter.place():
            assert limiter.running == 2
            taken.__exit__(None, None, None)
            assert limiter.running == 2
        assert limiter.running == 0

    return holds, has_both


def a_retry(halting: Halting) -> tuple[Callable[[], object], Callable[[], object]]:
    budget = RetryBudget(clock=halting)
    return budget.called, budget.spend


def a_registry(halting: Halting) -> tuple[Callable[[], object], Callable[[], object]]:
    registry = Registry()
    registry.guard("payments")
    target = HaltingLater(halting)
    return lambda: registry.guard(target), lambda: registry.guard("payments")


def an_answer(halting: Halting) -> tuple[Callable[[], object], Callable[[], object]]:
    key = HaltingLater(halting)
    answered = Fallback(fresh=60, key=lambda own: key if own else "other")(lambda own: own)
    return lambda: answered(True), lambda: answered(False)


@dataclass(eq=False)
class HaltingLater:
    """A key that halts when its hash is asked for again: the first time nothing is held."""

    halting: Halting
    asked: int = 0

    def __hash__(self) -> int:
        self.asked += 1
        return hash(self.halting) if self.asked > 1 else 1


def a_place(halting: Halting) -> tuple[Callable[[], object], Callable[[], object]]:
    """And the place that the other thread has is none in the child."""
    guard = Guard("disk", GuardSettings(limit=LimitSettings(initial=1, least=1, most=1)))
    assert guard.limiter
    guard.limiter.least_value = 5

    def child() -> None:
        guard(int)()
        assert guard.limiter
        assert (guard.limiter.running, guard.limiter.least_value) == (0, 5)

    return guard(halting), child


def calls() -> None:
    """Of the parent never end in the child, and are none of its own; the one that forked ends, and counts nothing."""
    clock = Clock()
    breaker = Breaker("payments", TRIPS, clock=clock)
    running = [breaker.begin() for _ in range(30)]

    def child() -> None:
        clock.now += 60
        breaker.begin().end()
        assert (breaker.state, breaker.counts.running) == (State.CLOSED, 0)
        running[0].end(ValueError())
        assert (breaker.state, breaker.counts.running) == (State.CLOSED, 0)

    well(forked(child))


def probes() -> None:
    """Of the parent take no place in the child, which sends its own."""
    clock, budget = Clock(), ProbeBudget(1)
    breaker = Breaker("payments", TRIPS, clock=clock, probes=budget)
    breaker.begin().end(ValueError())
    clock.now += 5
    sent = breaker.begin()

    def child() -> None:
        breaker.begin().end()
        assert (breaker.state, breaker.counts.good) == (State.HALF_OPEN, 1)

    well(forked(child))
    sent.end()
    assert breaker.counts.good == 1


def tells(url: str) -> None:
    """Three children of a process whose control plane, which comes later, does not know yet of what has happened."""
    control.TELL_EVERY = control.SHORTEST_PAUSE = control.LONGEST_PAUSE = 0.02
    registry = Registry(GuardSettings(breaker=TRIPS))
    Control(registry, url, "token", "eu").start()
    registry.guard("payments").breaker.begin().end(ValueError())

    def child(number: int) -> Any:
        def work() -> None:
            registry.guard(f"child-{number}").breaker.begin().end(ValueError())
            while registry.guard("payments").breaker.mode is not Mode.SHADOW:
                time.sleep(0.01)
            sys.stdin.read()

        return work

    children = [forked(child(number)) for number in range(3)]
    print("forked", flush=True)
    sys.stdin.read()
    well(*children)


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    found = globals()[name]
    if name in ("calls", "probes", "tells"):
        found(*arguments)
    else:
        while_a_thread_is_in(found)
