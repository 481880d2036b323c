"""Remembers what was answered, for as long as the features that it was made of are the latest."""

from __future__ import annotations

from activities.predictor.serving.answers import Answer


class AnswerCache:
    """One answer for each entity, with the generation of its features."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[int, Answer]] = {}
        self.hits = 0
        self.misses = 0

    def get(self, entity: str, generation: int) -> Answer | None:
        """None where this generation has not been asked yet."""
        known = self._answers.get(entity)
        if known is None or known[0] != generation:
            self.misses += 1
            return None
        self.hits += 1
        return known[1]

    def put(self, entity: str, generation: int, answer: Answer) -> None:
        """It takes the place of that of an earlier generation."""
        self._answers[entity] = generation, answer
