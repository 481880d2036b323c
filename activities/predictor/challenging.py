"""Whether the version that predicts should go on: one that did worse than the one before gives its place back, and a
better one takes its place.

A challenger learns on the older part of what is kept and is held against the current version on the newest part, which
neither has learned from. A version that cannot be read, or was learned for other rows, stands in nobody's way. Needs
the extra ``learn``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from activities.analytics.store import Store, prediction_models
from activities.predictor import contract
from activities.predictor.drift import DriftUnknown, ErrorWatch, drifted_features
from activities.predictor.history import layout_of
from activities.predictor.inference import GraphRefused
from activities.predictor.layout import Layout
from activities.predictor.learning.bundling import bundled
from activities.predictor.learning.deciding import Costs
from activities.predictor.learning.episodes import Episodes, Split
from activities.predictor.learning.training import digest, train
from activities.predictor.predicting import ModelOfAnotherLayout
from activities.predictor.replaying import (
    Floats,
    Progress,
    Replayed,
    Standing,
    fitting,
    replay,
    standing,
    surely_better,
)
from activities.predictor.serving.bundle import Bundle, BundleRefused, feature_names, read
from activities.predictor.serving.predictor import Predictor
from activities.predictor.stored import Kept, NothingKept, kept
from models.catalog import Catalog
from models.prediction import Model, ModelStatus

LEARNED_FROM = timedelta(days=35)
OLD = timedelta(days=7)
"""Since anything was learned, after which it is tried anew though nothing seems wrong."""
SOON = timedelta(days=1)
"""What was refused is not learned from the same rows again within it."""
SPLIT = Split(train=0.6, validation=0.2)
"""The newest fifth is what versions are compared on."""
FEWEST_INCIDENTS = 3
"""Fewer show nothing about a version."""
GAIN = 0.01
"""Share of the current version's error by which a challenger must be better."""
TOLD = 5
"""Features that have drifted most."""


def learn(store: Store, catalog: Catalog, progress: Progress) -> contract.Learned:
    """Keep a challenger, and say whether it should predict from now on."""
    now = datetime.now(UTC)
    try:
        known = kept(store, catalog, now - LEARNED_FROM, progress)
    except NothingKept as reason:
        return contract.Learned(version=None, better=False, because=str(reason))
    refused = _refused(store, known, now)
    if refused is not None:
        because = f"version {refused.version} was learned from the very same rows, and refused: {refused.because}"
        return contract.Learned(version=None, better=False, because=because)
    costs = Costs(false_alarms_a_day=catalog.prediction.false_alarms_a_day)
    trained = train(known.group, costs, SPLIT, progress)
    if trained.forecast is None:
        return contract.Learned(version=None, better=False, because="; ".join(trained.abstains))
    content = bundled(trained, known.until)
    bundle, since = read(content), _newest_part(known)
    said = replay(bundle, known, progress).said
    own = standing(known, said, bundle.manifest.threshold, since)
    model = prediction_models.add(store, trained.digest, own.as_json(), content, "learned, not yet compared", now)
    if trained.abstains:
        because = f"it would abstain: {'; '.join(trained.abstains)}"
        return contract.Learned(version=model.version, better=False, because=because)
    better, because = _better(store, own, said, known, progress)
    return contract.Learned(version=model.version, better=better, because=because)


def examine(store: Store, catalog: Catalog, progress: Progress) -> contract.Examined:
    """How the current version has done since it began, and whether it is time for another one."""
    current = prediction_models.current(store)
    if current is None:
        return contract.Examined(version=None, go_back=None, learn="nothing predicts yet")
    bundle = _usable(store, current.version, layout_of(catalog))
    if isinstance(bundle, str):
        return contract.Examined(version=current.version, go_back=None, learn=bundle)
    now = datetime.now(UTC)
    try:
        known = kept(store, catalog, now - LEARNED_FROM, progress)
    except NothingKept:
        return contract.Examined(version=current.version, go_back=None, learn=None)
    shown = replay(bundle, known, progress)
    return contract.Examined(
        version=current.version,
        go_back=_worse_than_before(store, current, bundle, shown.said, known, progress),
        learn=_reason_to_learn(store, current, known, shown.said, now),
        drifted=_drifted(bundle, shown),
    )


def _usable(store: Store, version: int, layout: Layout) -> Bundle | str:
    """What *version* is served with, or why it cannot be shown rows that are laid out so."""
    try:
        bundle = fitting(read(prediction_models.bundle(store, version)), layout)
        Predictor(bundle, bundle.manifest.entities)
    except (BundleRefused, GraphRefused, ModelOfAnotherLayout) as reason:
        return f"version {version} cannot be used: {reason}"
    return bundle


def _refused(store: Store, known: Kept, now: datetime) -> Model | None:
    """A version that was just learned from the same rows, and was not taken."""
    same = digest([Episodes(one, known.group.layout, SPLIT) for one in known.group.series])
    for model in prediction_models.models(store):
        if model.status is ModelStatus.REFUSED and model.training_digest == same and now - model.created_at < SOON:
            return model
    return None


def _better(
    store: Store, own: Standing, said: Mapping[str, Floats], known: Kept, progress: Progress
) -> tuple[bool, str]:
    current = prediction_models.current(store)
    if own.incidents < FEWEST_INCIDENTS:
        return False, f"{own.incidents} incidents in the newest part show nothing; {FEWEST_INCIDENTS} are needed"
    if not own.brier_skill > 0:
        return False, f"its Brier skill on the newest part is {own.brier_skill:+.3f}, no better than the base rate"
    skill = f"its Brier skill on the newest part is {own.brier_skill:+.3f}"
    if current is None:
        return True, f"the first version; {skill}"
    bundle = _usable(store, current.version, known.group.layout)
    if isinstance(bundle, str):
        return True, f"there is nothing to compare with, for {bundle}; {skill}"
    since = _newest_part(known)
    others = replay(bundle, known, progress).said
    other = standing(known, others, bundle.manifest.threshold, since)
    compared = f"an error of {own.brier:.5f} on the newest part, and version {current.version} has {other.brier:.5f}"
    if not own.brier < (1 - GAIN) * other.brier:
        return False, compared
    if not surely_better(known, said, others, GAIN, since):
        return False, f"{compared}, which may be luck: it hangs on a few days"
    return True, compared


def _worse_than_before(
    store: Store, current: Model, bundle: Bundle, said: Mapping[str, Floats], known: Kept, progress: Progress
) -> str | None:
    former = prediction_models.way_back(store)
    since = dict.fromkeys(known.first_numbers, _number(current.since, known))
    own = standing(known, said, bundle.manifest.threshold, since)
    if former is None or own.incidents < FEWEST_INCIDENTS:
        return None
    before = _usable(store, former.version, known.group.layout)
    if isinstance(before, str):
        return None
    others = replay(before, known, progress).said
    if not surely_better(known, others, said, GAIN, since):
        return None
    other = standing(known, others, before.manifest.threshold, since)
    return (
        f"since it predicts, over {own.incidents} incidents, its error is {own.brier:.5f}, and version "
        f"{former.version} would have had {other.brier:.5f}"
    )


def _reason_to_learn(
    store: Store, current: Model, known: Kept, said: Mapping[str, Floats], now: datetime
) -> str | None:
    """What has happened since something was last learned, whether or not that was taken."""
    newest = prediction_models.models(store, 1)[0]
    if now - newest.created_at > OLD:
        return f"nothing was learned for {(now - newest.created_at).days} days"
    since, layout = _number(max(current.since, newest.created_at), known), known.group.layout
    for one in known.group.series:
        watch, episodes, first = ErrorWatch(), Episodes(one, layout), known.first_numbers[one.entity]
        answered = [row for row in episodes.eligible.nonzero()[0].tolist() if not math.isnan(said[one.entity][row])]
        # One error a horizon: those of neighbouring rows are the same.
        for row in answered[:: layout.horizon]:
            drift = watch.observe(float(episodes.target[row]) - float(said[one.entity][row]))
            if drift is not None and first + row >= since:
                return f"{one.entity}: {drift.sentence}"
    return None


def _drifted(bundle: Bundle, shown: Replayed) -> tuple[str, ...]:
    names = tuple(feature_names(bundle.manifest.layout, bundle.manifest.detectors))
    try:
        found = drifted_features(names, bundle.levels.astype(float), shown.features)
    except DriftUnknown:
        return ()
    return tuple(one.sentence for one in found[:TOLD])


def _number(moment: datetime, known: Kept) -> int:
    return int(moment.timestamp()) // known.group.layout.interval_s


def _newest_part(known: Kept) -> dict[str, int]:
    """By entity the first interval that its challenger has not learned from."""
    share = SPLIT.train + SPLIT.validation
    return {one.entity: known.first_numbers[one.entity] + int(share * len(one.active)) for one in known.group.series}
