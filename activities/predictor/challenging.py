"""Whether the version that predicts should go on: one that did better goes back, and a better one takes its place.

A challenger learns on the older part of what is kept and is held against the current version on the newest part, which
neither has learned from. Needs the extra ``learn``.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from activities.analytics.store import Store, prediction_models
from activities.predictor import contract
from activities.predictor.drift import ErrorWatch
from activities.predictor.learning.bundling import bundled
from activities.predictor.learning.deciding import Costs
from activities.predictor.learning.episodes import Episodes, Split
from activities.predictor.learning.training import train
from activities.predictor.replaying import Floats, Progress, Standing, replay, standing
from activities.predictor.serving.bundle import read
from activities.predictor.stored import Kept, NothingKept, kept
from models.catalog import Catalog
from models.prediction import Model, ModelStatus

LEARNED_FROM = timedelta(days=35)
OLD = timedelta(days=7)
"""After which a version is learned anew though nothing seems wrong with it."""
SPLIT = Split(train=0.6, validation=0.2)
"""The newest fifth is what versions are compared on."""
FEWEST_INCIDENTS = 3
"""Fewer show nothing about a version."""
GAIN = 0.01
"""Share of the current version's error by which a challenger must be better."""


def learn(store: Store, catalog: Catalog, progress: Progress) -> contract.Learned:
    """Keep a challenger, and say whether it should predict from now on."""
    now = datetime.now(UTC)
    try:
        known = kept(store, catalog, now - LEARNED_FROM, progress)
    except NothingKept as reason:
        return contract.Learned(version=None, better=False, because=str(reason))
    costs = Costs(false_alarms_a_day=catalog.prediction.false_alarms_a_day)
    trained = train(known.group, costs, SPLIT, progress)
    if trained.forecast is None:
        return contract.Learned(version=None, better=False, because="; ".join(trained.abstains))
    content = bundled(trained, now)
    own = _stands(content, known, _newest_part(known), progress)
    model = prediction_models.add(store, trained.digest, own.as_json(), content, "learned, not yet compared", now)
    if trained.abstains:
        because = f"it would abstain: {'; '.join(trained.abstains)}"
        return contract.Learned(version=model.version, better=False, because=because)
    better, because = _better(store, own, known, progress)
    return contract.Learned(version=model.version, better=better, because=because)


def examine(store: Store, catalog: Catalog, progress: Progress) -> contract.Examined:
    """How the current version has done since it began, and whether it is time for another one."""
    current = prediction_models.current(store)
    if current is None:
        return contract.Examined(version=None, go_back=None, learn="nothing predicts yet")
    now = datetime.now(UTC)
    try:
        known = kept(store, catalog, now - LEARNED_FROM, progress)
    except NothingKept:
        return contract.Examined(version=current.version, go_back=None, learn=None)
    since = int(current.since.timestamp()) // catalog.prediction.interval
    content = prediction_models.bundle(store, current.version)
    said = replay(read(content), known, progress)
    go_back = _worse_than_before(store, standing(known, said, _threshold(content), since), known, since, progress)
    return contract.Examined(
        version=current.version, go_back=go_back, learn=_reason_to_learn(current, known, said, now)
    )


def _better(store: Store, own: Standing, known: Kept, progress: Progress) -> tuple[bool, str]:
    current = prediction_models.current(store)
    if own.incidents < FEWEST_INCIDENTS:
        return False, f"{own.incidents} incidents in the newest part show nothing; {FEWEST_INCIDENTS} are needed"
    if not own.brier_skill > 0:
        return False, f"its Brier skill on the newest part is {own.brier_skill:+.3f}, no better than the base rate"
    if current is None:
        return True, f"the first version; its Brier skill on the newest part is {own.brier_skill:+.3f}"
    other = _stands(prediction_models.bundle(store, current.version), known, _newest_part(known), progress)
    compared = f"an error of {own.brier:.5f} on the newest part, and version {current.version} has {other.brier:.5f}"
    return own.brier < (1 - GAIN) * other.brier, compared


def _worse_than_before(store: Store, own: Standing, known: Kept, since: int, progress: Progress) -> str | None:
    former = next((one for one in prediction_models.models(store) if one.status is ModelStatus.FORMER), None)
    if former is None or own.incidents < FEWEST_INCIDENTS:
        return None
    before = _stands(prediction_models.bundle(store, former.version), known, since, progress)
    if not before.brier < (1 - GAIN) * own.brier:
        return None
    return (
        f"since it predicts, over {own.incidents} incidents, its error is {own.brier:.5f}, and version "
        f"{former.version} would have had {before.brier:.5f}"
    )


def _reason_to_learn(current: Model, known: Kept, said: dict[str, Floats], now: datetime) -> str | None:
    if now - current.created_at > OLD:
        return f"version {current.version} was learned {(now - current.created_at).days} days ago"
    for one in known.group.series:
        watch, episodes, layout = ErrorWatch(), Episodes(one, known.group.layout), known.group.layout
        answered = [row for row in episodes.eligible.nonzero()[0].tolist() if not math.isnan(said[one.entity][row])]
        # One error a horizon: those of neighbouring rows are the same.
        for row in answered[:: layout.horizon]:
            drift = watch.observe(float(episodes.target[row]) - float(said[one.entity][row]))
            if drift is not None and row > len(one.active) - layout.period:
                return f"{one.entity}: {drift.sentence}"
    return None


def _stands(content: bytes, known: Kept, since: int, progress: Progress) -> Standing:
    return standing(known, replay(read(content), known, progress), _threshold(content), since)


def _threshold(content: bytes) -> float:
    return read(content).manifest.threshold


def _newest_part(known: Kept) -> int:
    """The first interval that no entity's challenger has learned from."""
    share = SPLIT.train + SPLIT.validation
    return max(known.first_numbers[one.entity] + int(share * len(one.active)) for one in known.group.series)
