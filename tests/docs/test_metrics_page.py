"""The page of the metrics names every metric with its type and labels, and says which of them nothing counts yet."""

from __future__ import annotations

import re

import pytest
from prometheus_client.metrics import MetricWrapperBase

from tests.docs.pages import ROOT, first_code, table_rows
from workers.gateway import metrics as gateway
from workers.observability import metrics as core
from workers.observability.metrics import REGISTRY
from workers.watch import gauges as watch

PAGE = "docs/reference/metrics.md"
ROWS = {first_code(row[0]): row for row in table_rows(PAGE) if first_code(row[0])}

METRICS = {
    variable: metric
    for module in (core, gateway, watch)
    for variable, metric in vars(module).items()
    if isinstance(metric, MetricWrapperBase)
}
"""By the name of the variable in the code."""


def exposed(metric: MetricWrapperBase) -> str:
    """The metric's name as Prometheus stores it."""
    (family,) = metric.describe()
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_every_metric_of_the_registry_has_a_row_and_no_row_is_of_another() -> None:
    registered = {f"{f.name}_total" if f.type == "counter" else f.name for f in REGISTRY.collect()}
    assert registered == set(ROWS)
    assert registered == {exposed(metric) for metric in METRICS.values()}


@pytest.mark.parametrize("variable", sorted(METRICS))
def test_type_and_labels_are_those_of_the_code(variable: str) -> None:
    metric = METRICS[variable]
    _, kind, labels, _, _ = ROWS[exposed(metric)]
    (family,) = metric.describe()
    assert kind == family.type
    assert tuple(re.findall(r"`(\w+)`", labels)) == metric._labelnames  # no public way to ask a metric for them


def test_what_nothing_counts_yet_is_said_to_be_so() -> None:
    code = "".join(path.read_text() for path in sorted((ROOT / "workers").rglob("*.py")))
    for variable, metric in METRICS.items():
        counted = re.search(rf"\b{variable}\.", code) is not None
        said = ROWS[exposed(metric)][4] != "not counted yet"
        assert said == counted, f"correct the row of {exposed(metric)} in {PAGE}"
