"""A small model, learned as the real ones are but from days of few rows, so that it is there in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy
import pytest

from activities.analytics.store import migrate, open_store
from activities.predictor import contract
from activities.predictor.challenging import learn
from activities.predictor.layout import Layout
from activities.predictor.learning.abstaining import Evidence, Luck
from activities.predictor.learning.bundling import bundled
from activities.predictor.learning.calibration import Platt
from activities.predictor.learning.combining import Combiner, Way
from activities.predictor.learning.deciding import Costs
from activities.predictor.learning.ensemble import definitions
from activities.predictor.learning.episodes import Episodes, Series
from activities.predictor.learning.members import fit
from activities.predictor.learning.references import learn_references
from activities.predictor.learning.table import tabulate
from activities.predictor.learning.training import Forecast, Trained, levels
from activities.predictor.serving.bundle import Bundle, read
from tests.predictor.kept_services import catalog, fill

LAYOUT = Layout(metrics=("requests", "errors", "latency"), interval_s=1800, horizon=4, period=48, merge=4)
ROWS = 20 * LAYOUT.period


def series(entity: str, seed: int) -> Series:
    """Incidents at about the same time of most days, with metrics that rise before."""
    generator = numpy.random.default_rng(seed)
    values = generator.normal(size=(ROWS, 3)) + 10
    active = numpy.zeros(ROWS, dtype=bool)
    for start in range(30, ROWS - 10, LAYOUT.period):
        if generator.random() < 0.7:
            active[start : start + 3] = True
            values[start - 4 : start] += numpy.linspace(1, 4, 4)[:, None]
    values[:, 1] *= 100
    observed = generator.random(ROWS) > 0.01
    return Series(entity, values.astype(numpy.float32), observed, active, labelled_from=0)


@pytest.fixture(scope="session")
def group() -> tuple[Series, ...]:
    return tuple(series(f"service-{number}", number) for number in range(3))


@pytest.fixture(scope="session")
def trained(group: tuple[Series, ...]) -> Trained:
    """Speaks of all but service-2, and of service-1 by persistence alone."""
    episodes = [Episodes(one, LAYOUT) for one in group]
    references = learn_references([one.reference for one in episodes])
    table = tabulate(episodes, group, references, lambda _: None)
    members = tuple(
        fit(definition, table.features, table.target)
        for definition in definitions(table.columns)
        if definition.name in ("seasonal persistence", "all, logistic", "all, lightgbm", "all, xgboost")
    )
    forecast = Forecast(
        members,
        Combiner(Way.STACKING, (0.1, 0.2, 0.3, 0.4), 0.1),
        Platt(0.9, -0.1),
        Platt(0.8, -0.2),
        frozenset({"service-1"}),
        {},
    )
    return Trained(
        layout=LAYOUT,
        features=tuple(column.name for column in table.columns),
        entities=tuple(one.entity for one in group),
        references=references,
        forecast=forecast,
        threshold=0.4,
        abstains=(),
        silent={"service-2": "no incident started in its train and validation parts"},
        evidence=Evidence(0.2, 0.3, Luck(0.5, 0.1), Luck(0.4, 0.1)),
        levels=levels(table.features),
        digest="0" * 64,
        costs=Costs(),
    )


@pytest.fixture(scope="session")
def content(trained: Trained) -> bytes:
    return bundled(trained, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def bundle(content: bytes) -> Bundle:
    return read(content)


@dataclass(frozen=True)
class KeptStore:
    """A store that is copied, because tests change it."""

    file: Path
    learned: contract.Learned

    def copied(self, folder: Path) -> str:
        """Its address."""
        (folder / "store.db").write_bytes(self.file.read_bytes())
        return f"sqlite:///{folder / 'store.db'}"


@pytest.fixture(scope="session")
def kept_store(tmp_path_factory: pytest.TempPathFactory) -> KeptStore:
    """Five weeks of two services, and a version that has learned from them but does not predict yet."""
    file = tmp_path_factory.mktemp("kept") / "store.db"
    store = open_store(f"sqlite:///{file}")
    migrate(store)
    fill(store)
    learned = learn(store, catalog().catalog, lambda _: None)
    store.close()
    return KeptStore(file, learned)
