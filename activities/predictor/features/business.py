"""What is at stake: the error budget, and what requests, customers and revenue do."""

from __future__ import annotations

import numpy

from activities.predictor.features.definition import Definition
from activities.predictor.features.rings import Floats, Indices, LapSums, SlotMemory, SmoothMeans, gain_of_span
from activities.predictor.layout import Layout, Windows

NUMBERS = ("revenue a minute", "customers", "requests a minute", "share of failed requests", "share promised")
SMALLEST_BUDGET = 1e-6
"""Of an objective of 100%, which has no budget to divide by."""
FEWEST_REQUESTS = 1e-9

DEFINITIONS = (
    Definition(
        "burn_short",
        "business",
        "budgets",
        "failed / requests over short / (1 - objective): 1 spends the error budget exactly",
        need="business",
    ),
    Definition("burn_horizon", "business", "budgets", "the same over H", need="business"),
    Definition("burn_long", "business", "budgets", "the same by slow means", need="business"),
    Definition("burn_rising", "business", "budgets", "burn_short - burn_long", need="business"),
    Definition("failed_share", "business", "share", "failed / requests over short", need="business"),
    Definition(
        "failed_share_trend",
        "business",
        "share",
        "failed / requests over half - the same over the half before it; 0 where there is none",
        need="business",
    ),
    Definition(
        "revenue_at_risk",
        "business",
        "log money a minute",
        "log(1 + revenue a minute * failed_share)",
        need="business",
    ),
    Definition("revenue", "business", "log money a minute", "log(1 + revenue a minute)", need="business"),
    Definition("customers_at_risk", "business", "log customers", "log(1 + customers * failed_share)", need="business"),
    Definition("customers", "business", "log customers", "log(1 + customers)", need="business"),
    Definition(
        "requests_to_recent",
        "business",
        "log ratio",
        "log((short mean of requests + 1) / (slow mean + 1))",
        need="business",
    ),
    Definition(
        "requests_trend",
        "business",
        "log ratio",
        "log((mean of requests over half + 1) / (mean of the half before it + 1)); 0 where there is none",
        need="business",
    ),
    Definition(
        "requests_to_yesterday",
        "business",
        "log ratio",
        "log((mean of requests over half + 1) / (the same a day earlier + 1)); 0 where there is none",
        need="business by day",
    ),
    Definition(
        "worth_known",
        "business",
        "share",
        "share of the five numbers that are known now; an unknown one counts as 0",
        need="business",
    ),
)


class Business:
    """Windows over requests and failures of each entity."""

    def __init__(self, layout: Layout, entities: int) -> None:
        windows = Windows.of(layout)
        spans = (windows.short, windows.horizon, windows.half, 2 * windows.half)
        self._spans: Indices = numpy.array(spans)
        self._sums = LapSums(entities, spans, 2)
        self._slow = SmoothMeans(entities, gain_of_span(windows.long), 2)
        self._yesterday = SlotMemory(entities, max(layout.period, 1), numpy.zeros(1), numpy.ones(1))
        self._has_day = layout.period > 0

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._sums.forget(which)
        self._slow.forget(which)
        self._yesterday.forget(which)

    def observe(self, which: Indices, rows: Indices, slot: Indices, numbers: Floats) -> dict[str, Floats]:
        """*numbers* [n, 5] as in NUMBERS; NaN where one is not known."""
        known = numpy.isfinite(numbers)
        revenue, customers, requests, failing, promised = numpy.maximum(numpy.where(known, numbers, 0.0), 0.0).T
        flows = numpy.stack((requests, requests * failing), axis=1)
        sums = self._sums.observe(which, rows, flows)
        slow = self._slow.observe(which, rows, flows)
        counts = numpy.minimum((rows + 1)[:, None], self._spans)
        share = sums[:, :, 1] / numpy.maximum(sums[:, :, 0], FEWEST_REQUESTS)
        share_long = slow[:, 1] / numpy.maximum(slow[:, 0], FEWEST_REQUESTS)
        # Without a known objective there is no budget, and nothing of it is spent.
        budget = numpy.where(known[:, 4], numpy.maximum(1.0 - promised, SMALLEST_BUDGET), numpy.inf)
        failed = share[:, 0]
        before = sums[:, 3] - sums[:, 2]
        earlier = counts[:, 3] > counts[:, 2]
        means = sums[:, :, 0] / counts
        half = numpy.log1p(means[:, 2])
        mean_before = before[:, 0] / numpy.maximum(counts[:, 3] - counts[:, 2], 1)
        features = {
            "burn_short": failed / budget,
            "burn_horizon": share[:, 1] / budget,
            "burn_long": share_long / budget,
            "burn_rising": (failed - share_long) / budget,
            "failed_share": failed,
            "failed_share_trend": numpy.where(
                earlier, share[:, 2] - before[:, 1] / numpy.maximum(before[:, 0], FEWEST_REQUESTS), 0.0
            ),
            "revenue_at_risk": numpy.log1p(revenue * failed),
            "revenue": numpy.log1p(revenue),
            "customers_at_risk": numpy.log1p(customers * failed),
            "customers": numpy.log1p(customers),
            "requests_to_recent": numpy.log1p(means[:, 0]) - numpy.log1p(slow[:, 0]),
            "requests_trend": numpy.where(earlier, half - numpy.log1p(numpy.maximum(mean_before, 0.0)), 0.0),
            "worth_known": known.sum(axis=1) / len(NUMBERS),
        }
        if self._has_day:
            past = self._yesterday.observe(which, slot, numpy.stack((half, numpy.ones(len(which))), axis=1))
            features["requests_to_yesterday"] = numpy.where(past[:, 1] > 0, half - past[:, 0], 0.0)
        return {name: feature[:, None] for name, feature in features.items()}
