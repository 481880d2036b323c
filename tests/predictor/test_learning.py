"""Learning to forecast: what is asked of each row, what odds mean, how members are combined, and when to be silent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from activities.predictor.features import registry
from activities.predictor.layout import Layout
from activities.predictor.learning import members, metrics
from activities.predictor.learning.abstaining import Evidence, Luck, better_by_persistence, luck
from activities.predictor.learning.calibration import Isotonic, Platt, calibrate, cross_fitted, isotonic, platt
from activities.predictor.learning.combining import Combiner, Way, choose, learn
from activities.predictor.learning.deciding import Costs, decide, upper_rate
from activities.predictor.learning.ensemble import CLOCK, COMPACT, HISTORY, PLAIN_PERSISTENCE
from activities.predictor.learning.episodes import Episodes, Group, Part, Series, Split, merged, starts_ahead
from activities.predictor.learning.members import Definition, Kind, corrected, fit, sampled
from activities.predictor.learning.metrics import Stretch
from activities.predictor.learning.references import learn_references
from activities.predictor.learning.shrinkage import log_odds, shrunk_logistic, sigmoid
from activities.predictor.learning.table import Table, tabulate
from activities.predictor.learning.training import Trained, digest, train

LAYOUT = Layout(("load",), interval_s=600, horizon=6, period=144, merge=6)
masks = st.lists(st.booleans(), min_size=1, max_size=80).map(lambda values: numpy.array(values, dtype=bool))


def random(seed: int = 0) -> numpy.random.Generator:
    return numpy.random.default_rng(seed)


def series(active: NDArray[numpy.bool_], **changes: object) -> Series:
    rows = len(active)
    plain = Series("one", numpy.zeros((rows, 1), numpy.float32), numpy.ones(rows, bool), active, labelled_from=0)
    return replace(plain, **changes)


class TestEpisodes:
    @given(masks, st.integers(1, 10))
    def test_incidents_are_runs_whose_gaps_are_closed(self, active: NDArray[numpy.bool_], gap: int) -> None:
        filled = active.tolist()
        for row in range(len(filled)):
            before = [earlier for earlier in range(row) if active[earlier]]
            after = [later for later in range(row, len(filled)) if active[later]]
            if before and after and after[0] - before[-1] - 1 < gap:
                filled[row] = True
        starts, ends = merged(active, gap)
        expected = [row for row, now in enumerate(filled) if now and (row == 0 or not filled[row - 1])]
        assert starts.tolist() == expected
        assert all(all(filled[start:end]) for start, end in zip(starts, ends, strict=True))
        assert sum(ends - starts) == sum(filled)

    @given(masks, st.integers(1, 20))
    def test_the_target_looks_at_the_next_horizon_and_not_at_the_row_itself(
        self, onsets: NDArray[numpy.bool_], horizon: int
    ) -> None:
        starts = numpy.flatnonzero(onsets)
        expected = [any(row < start <= row + horizon for start in starts) for row in range(len(onsets))]
        assert starts_ahead(starts, len(onsets), horizon).tolist() == expected

    @given(masks, masks)
    def test_rows_in_an_incident_its_cool_down_or_unobserved_are_not_asked(
        self, active: NDArray[numpy.bool_], observed: NDArray[numpy.bool_]
    ) -> None:
        rows = min(len(active), len(observed))
        one = Episodes(series(active[:rows], observed=observed[:rows]), LAYOUT)
        for row in numpy.flatnonzero(one.eligible):
            assert observed[row] and not active[row]
            assert not active[max(row - LAYOUT.merge, 0) : row].any()
            assert row + LAYOUT.horizon < rows or active[rows - 1]

    def test_a_run_to_failure_is_asked_until_its_failure(self) -> None:
        failing = series(numpy.arange(50) == 49, part=Part.TEST)
        one = Episodes(failing, LAYOUT)
        assert numpy.flatnonzero(one.eligible).tolist() == list(range(49))
        assert numpy.flatnonzero(one.target).tolist() == list(range(43, 49))
        assert set(one.part.tolist()) == {Part.TEST}

    @given(st.integers(0, 60), st.integers(40, 400))
    def test_no_target_of_a_part_looks_into_the_next(self, labelled_from: int, rows: int) -> None:
        quiet = series(numpy.zeros(labelled_from + rows, bool), labelled_from=labelled_from)
        part = Episodes(quiet, LAYOUT).part
        assert (part[:labelled_from] == Part.EMBARGO).all()
        for earlier, later in ((Part.TRAIN, Part.VALIDATION), (Part.VALIDATION, Part.TEST)):
            last, first = numpy.flatnonzero(part == earlier), numpy.flatnonzero(part == later)
            assert not len(last) or not len(first) or last[-1] + LAYOUT.horizon < first[0]

    def test_scale_and_detectors_know_only_what_lies_before_the_validation_part(self) -> None:
        one = series(numpy.zeros(100, bool), values=numpy.arange(100, dtype=numpy.float32)[:, None])
        assert Episodes(one, LAYOUT).reference.max() == 44
        assert Episodes(replace(one, labelled_from=40), LAYOUT).reference.max() == 39
        assert Episodes(replace(one, labelled_from=1), LAYOUT).reference.max() == 44

    def test_outcomes_that_are_not_recorded_leave_the_earlier_ones(self) -> None:
        everywhere = series(numpy.arange(100) % 20 == 0)
        kept = Episodes(everywhere, LAYOUT).recorded_until_test().active
        assert numpy.flatnonzero(kept).tolist() == [0, 20, 40]


class TestMembers:
    @given(st.floats(0.001, 0.999), st.floats(0.001, 1))
    def test_correction_undoes_what_sampling_did_to_the_odds(self, probability: float, kept: float) -> None:
        seen = probability / (probability + (1 - probability) * kept)
        assert corrected(numpy.array([seen]), kept)[0] == pytest.approx(probability, rel=0.02, abs=1e-4)

    @pytest.mark.parametrize("kind", list(Kind))
    def test_the_base_rate_comes_back_after_sampling(self, kind: Kind) -> None:
        features = random().normal(size=(40_000, 3)).astype(numpy.float32)
        target = random(1).random(40_000) < 0.01 * numpy.exp(0.5 * features[:, 0])
        member = fit(Definition("m", kind, (0, 1, 2)), features, target)
        assert member.probability(features).mean() == pytest.approx(target.mean(), rel=0.15)
        assert all(kept < 0.2 for kept in member.kept)

    def test_many_rows_are_thinned_in_both_classes(self) -> None:
        target = random().random(300_000) < 0.5
        rows, kept = sampled(target, random(), most=10_000)
        assert len(rows) == pytest.approx(10_000, rel=1.5)
        assert kept == pytest.approx((~target[rows]).mean() / target[rows].mean(), rel=0.1)

    @pytest.mark.parametrize("value", [False, True])
    def test_where_all_rows_are_alike_the_base_rate_is_the_answer(self, value: bool) -> None:
        features, target = numpy.zeros((20, 2), numpy.float32), numpy.full(20, value)
        member = fit(Definition("m", Kind.XGBOOST, (0,)), features, target)
        assert member.probability(features).tolist() == [float(value)] * 20

    def test_a_constant_feature_does_no_harm(self) -> None:
        features = numpy.ones((200, 2), numpy.float32)
        features[:, 1] = numpy.arange(200)
        member = fit(Definition("m", Kind.LOGISTIC, (0, 1)), features, numpy.arange(200) > 150)
        assert numpy.isfinite(member.probability(features)).all()


def test_every_feature_that_a_member_asks_for_exists() -> None:
    assert CLOCK | COMPACT | HISTORY | {PLAIN_PERSISTENCE} <= {one.name for one in registry.DEFINITIONS}


class TestShrinkage:
    def test_little_data_leaves_the_weights_at_their_centre(self) -> None:
        scores = random().normal(size=(30, 2))
        weights, _ = shrunk_logistic(
            scores, scores[:, 0] > 1, numpy.array([0.5, 0.5]), horizon=30, pull=20.0, least=0.0
        )
        assert weights == pytest.approx([0.5, 0.5], abs=0.05)

    @given(st.integers(0, 1000))
    @settings(max_examples=20, deadline=None)
    def test_no_other_weights_within_the_bound_are_better(self, seed: int) -> None:
        generator = random(seed)
        scores = generator.normal(size=(300, 3)) * 2
        target = generator.random(300) < sigmoid(scores @ numpy.array([1.0, -0.5, 0.0]) - 1)
        centre = numpy.full(3, 1 / 3)

        def loss(weights: NDArray[numpy.float64], intercept: float) -> float:
            value = scores @ weights + intercept
            likelihood = (numpy.logaddexp(0, value) - target * value).sum() / 5
            return likelihood + ((weights - centre) ** 2).sum() + 0.2 * intercept**2

        weights, intercept = shrunk_logistic(scores, target, centre, horizon=5, pull=1.0, least=0.0)
        assert (weights >= 0).all()
        best = loss(weights, intercept)
        for step in generator.normal(size=(50, 4)) * 0.05:
            assert loss(numpy.maximum(weights + step[:3], 0), intercept + step[3]) >= best - 1e-6


class TestCalibration:
    def test_overconfident_scores_are_pulled_to_the_truth(self) -> None:
        truth = random().normal(-3, 1, 20_000)
        target = random(1).random(20_000) < sigmoid(truth)
        found = platt(3 * truth + 2, target, 1)
        assert found.slope == pytest.approx(1 / 3, abs=0.05)
        assert found(3 * truth + 2).mean() == pytest.approx(target.mean(), rel=0.05)

    def test_isotonic_follows_any_ascending_shape_and_never_descends(self) -> None:
        score = random().uniform(0, 1, 20_000)
        target = random(1).random(20_000) < numpy.where(score < 0.5, 0.1, 0.8)
        found = isotonic(score, target, 1)
        assert found(numpy.array([0.2, 0.9])) == pytest.approx([0.1, 0.8], abs=0.04)
        assert (numpy.diff(found(numpy.sort(score))) >= 0).all()

    def test_isotonic_is_chosen_only_with_many_incidents(self) -> None:
        score = random().uniform(-1, 1, 20_000)
        target = random(1).random(20_000) < numpy.where(score < 0.5, 0.01, 0.6)
        block = numpy.arange(20_000) % 2
        assert isinstance(calibrate(score, target, block, incidents=99, horizon=1), Platt)
        assert isinstance(calibrate(score, target, block, incidents=100, horizon=1), Isotonic)

    @pytest.mark.parametrize("target", [numpy.zeros(50, bool), numpy.ones(50, bool), numpy.zeros(0, bool)])
    @pytest.mark.parametrize("score", [0.0, 5.0, -20.0])
    def test_nothing_to_tell_apart_gives_probabilities_all_the_same(
        self, target: NDArray[numpy.bool_], score: float
    ) -> None:
        scores = numpy.full(len(target), score)
        for way in (platt, isotonic) if len(target) else (platt,):
            answer = cross_fitted(way, scores, target, numpy.arange(len(target)) % 2, 6)
            assert ((answer >= 0) & (answer <= 1)).all()


class TestCombining:
    def odds(self, rows: int = 6000) -> tuple[NDArray[numpy.float64], NDArray[numpy.bool_]]:
        truth = random().normal(-3, 2, rows)
        target = random(1).random(rows) < sigmoid(truth)
        noise = random(2).normal(size=(rows, 2))
        return numpy.column_stack([truth, noise[:, 0] - 3, noise[:, 1] * 3 - 3]), target

    def test_a_member_without_skill_gets_no_weight(self) -> None:
        odds, target = self.odds()
        averaging, voting, stacking = learn(odds, target, horizon=1)
        for one in (averaging, voting, stacking):
            assert one.weights[0] == max(one.weights) and min(one.weights) >= 0
        assert averaging.weights == pytest.approx((1, 0, 0), abs=0.05)

    def test_votes_are_counted_not_how_loud_they_are(self) -> None:
        voting = Combiner(Way.VOTING, (0.5, 0.3, 0.2), thresholds=(0.0, 0.0, 0.0))
        odds = numpy.array([[-9.0, -9, -9], [0.1, -9, -9], [9, -9, -9], [9, 9, -9], [9, 9, 9]])
        score = voting(odds)
        assert score[1] == score[2] and (numpy.diff(score[[0, 1, 3, 4]]) > 0).all() and numpy.isfinite(score).all()

    def test_of_equals_the_simpler_is_chosen(self) -> None:
        odds, target = self.odds()
        block = numpy.arange(len(target)) % 2
        same = tuple(Combiner(way, (1.0, 0.0, 0.0)) for way in (Way.AVERAGING, Way.STACKING))
        assert choose(same, odds, target, block, 1)[0].way is Way.AVERAGING

    def test_what_is_better_on_the_validation_part_is_chosen(self) -> None:
        odds, target = self.odds()
        block = numpy.arange(len(target)) % 2
        candidates = (Combiner(Way.AVERAGING, (0.0, 1.0, 0.0)), Combiner(Way.STACKING, (1.0, 0.0, 0.0)))
        chosen, skills = choose(candidates, odds, target, block, 1)
        assert chosen.way is Way.STACKING and skills[Way.STACKING] > 0.1 > skills[Way.AVERAGING]

    def test_without_an_incident_all_members_count_alike(self) -> None:
        (only,) = learn(numpy.zeros((10, 4)), numpy.zeros(10, bool), horizon=6)
        assert only.weights == (0.25,) * 4


def stretch(starts: list[int], rows: int = 400, horizon: int = 6, rows_a_day: int = 100) -> Stretch:
    numbers = numpy.arange(rows)
    onsets = numpy.array(starts, dtype=numpy.intp)
    return Stretch(numbers, starts_ahead(onsets, rows, horizon), onsets, horizon, rows_a_day, 10.0)


class TestMetrics:
    def test_an_alarm_is_valid_for_a_horizon_and_each_without_an_incident_is_false(self) -> None:
        score = numpy.zeros(400)
        score[[50, 53, 56, 97, 99, 200]] = 1.0
        figures = metrics.judge([stretch([100, 300])], [score], 0.5)
        assert (figures.events, figures.found, figures.false_alarms) == (2, 1, 3)  # 50, 56 and 200 are false
        assert figures.leads == (30.0,) and figures.recall == 0.5
        assert figures.false_alarms_a_day == pytest.approx(3 / 4)
        assert figures.covered == pytest.approx((6 + 6 + 6 + 6) / 400)

    def test_days_of_silence_do_not_thin_out_false_alarms(self) -> None:
        spoken, silent = numpy.zeros(400), numpy.full(400, -numpy.inf)
        spoken[50] = 1.0
        both = metrics.judge([stretch([]), stretch([])], [spoken, silent], 0.5)
        assert both.false_alarms_a_day == pytest.approx(1 / 4)

    def test_silence_raises_nothing_at_any_threshold(self) -> None:
        figures = metrics.judge([stretch([100])], [numpy.full(400, -numpy.inf)], -numpy.inf)
        assert figures.false_alarms == figures.found == 0 and figures.covered == 0

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
    def test_ranking_figures_match_their_definitions(self, pairs: list[tuple[bool, int]]) -> None:
        target = numpy.array([hit for hit, _ in pairs])
        score = numpy.array([float(value) for _, value in pairs])
        if not 0 < target.sum() < len(target):
            assert math.isnan(metrics.roc_auc(target, score))
            return
        wins = [(a > b) + (a == b) / 2 for a in score[target] for b in score[~target]]
        assert metrics.roc_auc(target, score) == pytest.approx(sum(wins) / len(wins))
        area, before = 0.0, 0.0
        for level in sorted(set(score.tolist()), reverse=True):
            chosen = score >= level
            recall = target[chosen].sum() / target.sum()
            area += (recall - before) * target[chosen].mean()
            before = recall
        assert metrics.pr_auc(target, score) == pytest.approx(area)
        cut = metrics.best_balanced_threshold(target, score)
        reached = metrics.balanced_accuracy(target, score >= cut)
        assert reached == pytest.approx(max(metrics.balanced_accuracy(target, score >= level) for level in score))

    def test_the_base_rate_has_no_brier_skill_and_the_truth_has_all(self) -> None:
        target = numpy.arange(100) < 7
        assert metrics.brier_skill(target, numpy.full(100, 0.07)) == pytest.approx(0)
        assert metrics.brier_skill(target, target.astype(float)) == 1
        assert metrics.brier_skill(target, numpy.full(100, 0.5)) < 0

    def test_intervals_hold_the_figure_and_narrow_with_more_entities(self) -> None:
        def width(entities: int) -> float:
            stretches = [stretch([100, 200, 300]) for _ in range(entities)]
            scores = [random(seed).random(400) + 0.5 * one.target for seed, one in enumerate(stretches)]
            low, high = metrics.intervals(stretches, scores, 1.0)["pr_auc"]
            whole = metrics.pr_auc(numpy.concatenate([one.target for one in stretches]), numpy.concatenate(scores))
            assert low - 1e-9 <= whole <= high + 1e-9
            return high - low

        assert width(40) < width(4)


class TestDeciding:
    @given(st.integers(0, 10_000), st.sampled_from([0.3, 0.75, 2.0]), st.sampled_from([0.0, 5.0, 20.0]))
    @settings(max_examples=40, deadline=None)
    def test_no_threshold_within_the_budget_costs_less_by_more_than_an_incident(
        self, seed: int, budget: float, missed: float
    ) -> None:
        one, generator = stretch([50, 120, 260, 350]), random(seed)
        score = generator.random(400) + 0.3 * one.target
        costs = Costs(false_alarm=1.0, missed=missed, lead_minute=0.1, false_alarms_a_day=budget)
        level = decide([one], [score], costs)
        allowed: dict[float, float] = {math.inf: 4 * missed}
        for candidate in sorted(score.tolist(), reverse=True):
            figures = metrics.judge([one], [score], candidate)
            if upper_rate(figures.false_alarms, figures.days) > budget:
                break
            allowed[candidate] = costs.of(figures)
        assert level in allowed
        assert allowed[level] <= min(allowed.values()) + missed

    def test_alarms_that_only_cost_are_not_raised(self) -> None:
        noise = random(3).random(400)
        assert decide([stretch([])], [noise], Costs(missed=0.0, false_alarms_a_day=10.0)) == math.inf

    def test_the_budget_holds_for_what_few_days_could_hide(self) -> None:
        assert upper_rate(0, 1.0) == pytest.approx(-math.log(0.2))
        assert upper_rate(10, 20.0) > 10 / 20
        assert upper_rate(0, 0.0) == math.inf

    def test_a_silent_entity_does_not_move_the_threshold(self) -> None:
        one, score = stretch([50, 120, 260, 350]), random(5).random(400)
        score[one.target] += 1
        silent = numpy.full(400, -numpy.inf)
        costs = Costs(false_alarms_a_day=5.0)
        level = decide([one], [score], costs)
        assert math.isfinite(level)
        assert decide([one] + [stretch([])] * 9, [score] + [silent] * 9, costs) == level
        assert decide([one], [silent], costs) == math.inf


class TestAbstaining:
    shown = Evidence(0.1, 0.1, validation=Luck(0.3, 0.1), out_of_fold=Luck(0.3, 0.1))

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"brier_skill": 0.0}, "Brier skill on the validation part, +0.000, is not above zero"),
            ({"brier_skill": math.nan}, "is not above zero"),
            ({"persistence_pr_auc": 0.3}, "not above the 0.300 of seasonal persistence"),
            ({"validation": Luck(0.2, 0.2)}, "on the validation part, 0.200, is not above the 0.200 that shifted"),
            ({"out_of_fold": Luck(0.1, 0.2)}, "out of fold, 0.100, is not above the 0.200 that shifted"),
            ({"out_of_fold": Luck(math.nan, math.nan)}, "no incident shows its skill out of fold"),
        ],
    )
    def test_each_lack_of_skill_is_a_reason(self, changes: dict[str, Any], words: str) -> None:
        assert self.shown.reasons == ()
        (reason,) = replace(self.shown, **changes).reasons
        assert words in reason

    def test_scores_that_know_something_stand_out_from_their_own_shifts_and_noise_does_not(self) -> None:
        stretches = [stretch([50, 120, 260, 350]) for _ in range(4)]
        noise = [random(seed).random(400) for seed in range(4)]
        knowing = [one.target + score for one, score in zip(stretches, noise, strict=True)]
        assert luck(stretches, knowing).pr_auc > 2 * luck(stretches, knowing).chance_pr_auc
        assert luck(stretches, noise).pr_auc < luck(stretches, noise).chance_pr_auc

    def test_without_an_incident_there_is_no_figure(self) -> None:
        assert math.isnan(luck([stretch([])], [numpy.zeros(400)]).pr_auc)


def test_an_entity_falls_back_only_where_persistence_is_better_in_every_period() -> None:
    entity = numpy.array([0, 0, 1, 1])
    good, bad = numpy.full(4, 0.1), numpy.array([0.1, 0.2, 0.5, 0.5])
    periods = [entity, entity]
    assert better_by_persistence(periods, [(bad, good), (bad, good)], 2).tolist() == [True, True]
    assert better_by_persistence(periods, [(bad, good), (good, bad)], 2).tolist() == [False, False]


def group(kind: str, seed: int = 0, entities: int = 4, rows: int = 2000) -> Group:
    """*kind*: "noise", or "precursor" where the load climbs for five rows before each incident.

    Incidents come without memory: the time since the last one says nothing of the next.
    """
    several: list[Series] = []
    for number in range(entities):
        generator = random(1000 * seed + number)
        load = generator.normal(0, 1, (rows, 1))
        active = numpy.zeros(rows, bool)
        for start in numpy.flatnonzero(generator.random(rows) < 1 / 60).tolist():
            active[start : start + 2] = True
            if kind == "precursor":
                load[max(start - 5, 0) : start + 2] += 8
        several.append(Series(f"e{number}", load.astype(numpy.float32), numpy.ones(rows, bool), active, 0))
    return Group(kind, LAYOUT, tuple(several))


def taught(wanted: Group) -> Trained:
    return train(wanted, Costs(), Split(), lambda _: None)


class TestTable:
    def table(self, wanted: Group) -> Table:
        episodes = [Episodes(one, wanted.layout) for one in wanted.series]
        known = [one.reference[:200] for one in map(Episodes, group("noise").series, [LAYOUT] * 4)]
        return tabulate(episodes, wanted.series, learn_references(known[: len(episodes)]), lambda _: None)

    def rows(self, table: Table, entity: int) -> dict[int, NDArray[numpy.float32]]:
        mine = table.entity == entity
        return dict(zip(table.row[mine].tolist(), table.features[mine], strict=True))

    def test_no_feature_of_a_row_knows_the_rows_and_outcomes_after_it(self) -> None:
        wanted, cut = group("noise", entities=2, rows=900), 700
        first = wanted.series[0]
        values, active = first.values.copy(), first.active.copy()
        values[cut:] = random(9).normal(50, 20, (200, 1))
        active[cut:] = random(9).random(200) < 0.1
        shaken = replace(wanted, series=(replace(first, values=values, active=active), wanted.series[1]))
        before, after = self.table(wanted), self.table(shaken)
        one, other = self.rows(before, 0), self.rows(after, 0)
        shared = [row for row in one if row < cut and row in other]
        assert len(shared) > 300
        assert all(numpy.array_equal(one[row], other[row]) for row in shared)
        assert any(not numpy.array_equal(one[row], other[row]) for row in one if row >= cut and row in other)
        assert numpy.array_equal(before.features[before.entity == 1], after.features[after.entity == 1])

    def test_entities_that_are_walked_side_by_side_do_not_touch_each_other(self) -> None:
        both = group("noise", entities=2, rows=900)
        shorter = replace(
            both.series[1], **{name: getattr(both.series[1], name)[:600] for name in ("values", "observed", "active")}
        )
        long, short = self.table(both), self.table(replace(both, series=(both.series[0], shorter)))
        assert numpy.array_equal(long.features[long.entity == 0], short.features[short.entity == 0])
        one, other = self.rows(long, 1), self.rows(short, 1)
        assert other and all(numpy.array_equal(one[row], other[row]) for row in other if row in one)

    def test_out_of_fold_learning_keeps_to_the_train_part_wherever_the_units_lie(self) -> None:
        units = group("noise", rows=300)
        parts = (Part.TEST, Part.TRAIN, Part.VALIDATION, Part.TRAIN)
        table = self.table(
            replace(
                units,
                series=tuple(replace(one, part=part) for one, part in zip(units.series, parts, strict=True)),
            )
        )
        assert set(table.entity[table.within(0.0, 1.0)].tolist()) == {1, 3}

    def test_blocks_halve_the_time_of_a_single_entity(self) -> None:
        table = self.table(group("noise", entities=1, rows=900))
        block = table.blocks(table.part == Part.VALIDATION)
        assert abs(block.mean() - 0.5) < 0.15 and (numpy.diff(block) >= 0).all()


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    """A tenth of the trees says the same of so few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "TREES", 20)
        yield


@pytest.fixture(scope="module")
def spoken() -> Trained:
    """Of a group with a precursor, one entity of which has no incident."""
    several = group("precursor")
    calm = replace(several.series[0], entity="calm", active=numpy.zeros(2000, bool))
    return taught(replace(several, series=(*several.series, calm)))


class TestTraining:
    def test_a_precursor_is_learned_and_spoken_of(self, spoken: Trained) -> None:
        assert spoken.abstains == () and spoken.evidence is not None
        assert spoken.evidence.brier_skill > 0.3 and math.isfinite(spoken.threshold)
        assert spoken.forecast is not None and len(spoken.forecast.members) == 8

    def test_an_entity_without_incidents_is_silent_while_its_group_speaks(self, spoken: Trained) -> None:
        assert list(spoken.silent) == ["calm"] and "no incident" in spoken.silent["calm"]

    def test_of_noise_nothing_is_said_and_the_reason_is_given(self) -> None:
        trained = taught(group("noise", 1, entities=3))
        assert trained.abstains and trained.threshold == math.inf
        assert all("PR-AUC" in reason or "Brier skill" in reason for reason in trained.abstains)

    def test_a_group_without_incidents_abstains(self) -> None:
        quiet = group("noise", entities=2, rows=900)
        still = replace(quiet, series=tuple(replace(s, active=numpy.zeros(900, bool)) for s in quiet.series))
        trained = taught(still)
        assert trained.forecast is None and "no incident started in the train part" in trained.abstains[0]

    def test_the_digest_follows_every_outcome(self) -> None:
        one = group("noise", entities=1, rows=300)
        changed = one.series[0].active.copy()
        changed[200] ^= True
        other = replace(one, series=(replace(one.series[0], active=changed),))
        first, second, again = (
            digest([Episodes(each.series[0], LAYOUT)]) for each in (one, other, group("noise", entities=1, rows=300))
        )
        assert first == again != second


def test_log_odds_and_sigmoid_are_inverse() -> None:
    probability = numpy.array([0.001, 0.3, 0.999])
    assert sigmoid(log_odds(probability)) == pytest.approx(probability)
