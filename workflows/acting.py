"""What a prevention has done: made step by step, taken back, or left to whoever goes first."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.breakers import Breakers
from workflows.changes import Changes
from workflows.journal import Journal
from workflows.regions import Regions
from workflows.saga import Saga, describe
from workflows.words import Words

with workflow.unsafe.imports_passed_through():
    from models.catalog import Policy
    from models.incident import StepRecord
    from models.prevention_run import Measures
    from models.scope import Scope


class Acting:
    """The measures of one prevention, as one saga."""

    def __init__(
        self,
        scope: Scope,
        policy: Policy,
        regions: Regions,
        journal: Journal,
        words: Words,
        on_news: Callable[[], None],
    ) -> None:
        """*on_news*: called when :attr:`sentence` has changed."""
        self._scope = scope
        self._regions = regions
        self._journal = journal
        self._words = words
        self._saga = Saga(journal)
        self._breakers = Breakers(scope, policy, workflow.now(), regions, self._saga, on_news)

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        return self._saga.records

    @property
    def unsettled(self) -> str:
        """What is in effect, or may be; empty where nothing is."""
        return ", ".join(self._saga.unsettled)

    @property
    def sentence(self) -> str:
        """How the breakers stand, for people."""
        return self._breakers.sentence

    async def make(self, measures: Measures, stops: Callable[[], bool]) -> str | None:
        """What has failed. None: all is done, or it stopped between two steps."""
        changes = Changes(self._scope, 1, measures.state, self._regions, self._journal, self._saga)
        for step in measures.steps:
            if stops():
                return None
            try:
                await changes.make(step)
                verdict = step.check and await self._words.unless_called_off(changes.check(step.check))
            except FailureError as failure:
                return f"{step.title}: {describe(failure)}"
            if verdict and not verdict.passed:
                return f"{step.title}: {verdict.sentence}"
        if measures.trip and not stops():
            await self._breakers.trip(measures.trip)
            return None if self._breakers.active else self._breakers.sentence
        return None

    def settle(self, why: str) -> None:
        """All of it is done, and nothing is to be undone."""
        for record in self._saga.records:
            self._saga.settle(record.step, "nothing-to-undo", why)

    async def take_back(self) -> tuple[str, ...]:
        """What stood in the way; nothing if everything is undone."""
        return await self._saga.compensate()

    async def leave(self) -> None:
        """As it is. What is a lease is not renewed any more, and lapses."""
        await self._breakers.let_lapse()
