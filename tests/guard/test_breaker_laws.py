"""What holds of a breaker whatever its callers and its clock do: hypothesis looks for a way around it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sternway_guard.breaker import Attempt, Breaker
from sternway_guard.errors import BreakerOpen
from sternway_guard.settings import BreakerSettings, Fixed, Learned, Mode
from sternway_guard.transitions import State, Transition

TRIPS = (Learned(), Learned(least=1, harm=0), Fixed(), Fixed(share=0.1, least=1, seconds=1))


class Laws(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.transitions: list[Transition] = []
        self.running: list[Attempt] = []
        self.begun = 0
        self.breaker = Breaker("payments")

    @precondition(lambda self: not self.begun)
    @rule(trips=st.sampled_from(TRIPS), slow_after=st.sampled_from([None, 0.5]))
    def configured(self, trips: Learned | Fixed, slow_after: float | None) -> None:
        self.breaker = Breaker(
            "payments",
            BreakerSettings(trips=trips, slow_after=slow_after, open_for=2, longest_open=20, stage=5),
            listeners=(self.transitions.append,),
            clock=lambda: self.now,
            chance=lambda: 0.5,
        )
        self.begun = 1

    @precondition(lambda self: self.begun)
    @rule(calls=st.integers(1, 40), fails=st.booleans(), apart=st.floats(0, 0.2))
    def calls(self, calls: int, fails: bool, apart: float) -> None:
        for _ in range(calls):
            self.now += apart
            try:
                self.breaker.begin().end(ValueError() if fails else None)
            except BreakerOpen:
                assert self.breaker.state is not State.CLOSED or self.breaker.mode is Mode.FORCED_OPEN

    @precondition(lambda self: self.begun)
    @rule()
    def begins(self) -> None:
        try:
            self.running.append(self.breaker.begin())
        except BreakerOpen:
            assert self.breaker.mode not in (Mode.OFF, Mode.SHADOW)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0), how=st.sampled_from([None, ValueError(), KeyboardInterrupt()]), twice=st.booleans())
    def ends(self, which: int, how: BaseException | None, twice: bool) -> None:
        attempt = self.running.pop(which % len(self.running))
        attempt.end(how)
        if twice:
            attempt.end(ValueError())

    @rule(seconds=st.one_of(st.floats(0, 3), st.floats(-5000, 5000)))
    def time_passes_or_the_clock_is_set(self, seconds: float) -> None:
        self.now += seconds

    @rule(mode=st.sampled_from(Mode))
    def somebody_sets_a_mode(self, mode: Mode) -> None:
        self.breaker.mode = mode

    @invariant()
    def each_transition_begins_where_the_one_before_has_ended(self) -> None:
        state = State.CLOSED
        for transition in self.transitions:
            assert transition.before is state
            state = transition.after
        assert self.breaker.state is state

    @invariant()
    def nothing_is_counted_below_zero(self) -> None:
        counts = self.breaker.counts
        assert min(counts.running, counts.good, counts.bad) >= 0
        assert counts.running <= len(self.running)

    def teardown(self) -> None:
        """Whatever has happened: a target that is well again is called again, in the time that the settings promise."""
        for attempt in self.running:
            attempt.end()
        self.breaker.mode = Mode.ON
        for _ in range(4000):
            if self.breaker.state is State.CLOSED:
                break
            self.now += 0.5
            try:
                self.breaker.begin().end()
            except BreakerOpen:
                continue
        assert self.breaker.state is State.CLOSED
        self.breaker.begin().end()


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
