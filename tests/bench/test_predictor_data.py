"""Files to forecast on: what is read from them, and what is refused with a reason."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

from activities.predictor.learning.episodes import Group, Part
from bench.predictor_data import DataRefused, Found, load_folder, slices

ROWS = 1200


def arrays(**changes: Any) -> dict[str, Any]:
    """Of a server with two metrics."""
    values = numpy.random.default_rng(0).normal(size=(2 * ROWS, 2)).astype(numpy.float32)
    label = (numpy.arange(ROWS) % 400 > 390).astype(numpy.int8)
    return {"train": values[:ROWS], "test": values[ROWS:], "label": label, "interval_s": 60, **changes}


def kpi(**changes: Any) -> dict[str, Any]:
    value = numpy.random.default_rng(0).normal(size=ROWS)
    label = (numpy.arange(ROWS) % 400 > 390).astype(int)
    return {"timestamp": 1_500_000_000 + 300 * numpy.arange(ROWS), "value": value, "label": label, **changes}


def write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def only(found: Found) -> Group:
    assert not found.refused
    (group,) = found.groups
    return group


def refusal(folder: Path) -> str:
    found = load_folder(folder)
    assert not found.groups
    (reason,) = found.refused.values()
    return reason


class TestServers:
    def test_labels_begin_after_the_unlabelled_rows(self, tmp_path: Path) -> None:
        numpy.savez(tmp_path / "one.npz", **arrays())
        group = only(load_folder(tmp_path))
        (series,) = group.series
        assert series.labelled_from == ROWS and series.active.sum() == 27
        assert not series.active[:ROWS].any() and series.observed.all()

    @pytest.mark.parametrize(("interval", "horizon", "merge"), [(60, 30, 30), (300, 12, 12), (600, 6, 6)])
    def test_the_horizon_follows_from_the_interval(
        self, tmp_path: Path, interval: int, horizon: int, merge: int
    ) -> None:
        numpy.savez(tmp_path / "one.npz", **arrays(interval_s=interval))
        layout = only(load_folder(tmp_path)).layout
        assert (layout.horizon, layout.merge, layout.period) == (horizon, merge, 86_400 // interval)

    def test_what_looks_alike_in_one_folder_is_one_group_whatever_its_name(self, tmp_path: Path) -> None:
        for name in ("a.npz", "completely-different.npz"):
            numpy.savez(tmp_path / name, **arrays())
        numpy.savez(tmp_path / "slower.npz", **arrays(interval_s=300))
        assert sorted(len(group.series) for group in load_folder(tmp_path).groups) == [1, 2]

    def test_a_hole_is_filled_with_what_was_known_before_it(self, tmp_path: Path) -> None:
        values = arrays()
        values["test"][100:110] = numpy.nan
        values["train"][0, 1] = numpy.nan
        numpy.savez(tmp_path / "one.npz", **values)
        (series,) = only(load_folder(tmp_path)).series
        assert (series.values[ROWS + 100 : ROWS + 110] == values["test"][99]).all()
        assert series.values[0, 1] == 0 and not series.observed[ROWS + 100 : ROWS + 110].any()
        assert series.observed.sum() == 2 * ROWS - 10

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"label": numpy.zeros(7)}, "do not fit together"),
            ({"test": numpy.ones((ROWS, 3))}, "do not fit together"),
            ({"interval_s": 0}, "do not fit together"),
            ({"train": numpy.ones((ROWS, 2)), "test": numpy.ones((ROWS, 2))}, "nothing to learn from"),
            ({"test": numpy.full((ROWS, 2), numpy.inf)}, f"row {ROWS} of metric 0 is infinite"),
            ({"train": numpy.zeros((9, 2)), "test": numpy.eye(9, 2), "label": numpy.zeros(9)}, "too few"),
            ({"train": numpy.zeros((9, 2, 2))}, "not rows x metrics"),
        ],
    )
    def test_what_cannot_be_learned_from_is_refused(self, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
        numpy.savez(tmp_path / "one.npz", **arrays(**changes))
        assert words in refusal(tmp_path)

    def test_other_keys_are_named(self, tmp_path: Path) -> None:
        numpy.savez(tmp_path / "one.npz", train=numpy.zeros(3), foo=numpy.zeros(3))
        assert "'foo'" in refusal(tmp_path) and "'interval_s'" in refusal(tmp_path)

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.98])
    def test_a_truncated_file_is_refused_and_the_others_are_read(self, tmp_path: Path, share: float) -> None:
        numpy.savez_compressed(tmp_path / "good.npz", **arrays())
        whole = (tmp_path / "good.npz").read_bytes()
        (tmp_path / "cut.npz").write_bytes(whole[: int(len(whole) * share)])
        found = load_folder(tmp_path)
        assert list(found.refused) == ["cut.npz"] and "cannot be read" in found.refused["cut.npz"]
        assert len(found.groups) == 1


class TestKpis:
    @pytest.mark.parametrize("form", ["npz", "csv", "csv.gz"])
    def test_all_forms_of_a_file_are_the_same_series(self, tmp_path: Path, form: str) -> None:
        columns = kpi()
        if form == "npz":
            numpy.savez(tmp_path / "one.npz", **columns)
        else:
            write_csv(tmp_path / "one.csv", columns)
        if form == "csv.gz":
            (tmp_path / "one.csv.gz").write_bytes(gzip.compress((tmp_path / "one.csv").read_bytes()))
            (tmp_path / "one.csv").unlink()
        group = only(load_folder(tmp_path))
        (series,) = group.series
        assert (group.layout.interval_s, group.layout.horizon, group.layout.merge) == (300, 12, 12)
        assert series.active.sum() == 27 and series.labelled_from == 0
        assert series.values[:, 0] == pytest.approx(columns["value"], rel=1e-6)
        assert series.first_slot == 1_500_000_000 % 86_400 // 300

    def test_each_minute_it_is_asked_sixty_ahead(self, tmp_path: Path) -> None:
        numpy.savez(tmp_path / "one.npz", **kpi(timestamp=60 * numpy.arange(ROWS)))
        layout = only(load_folder(tmp_path)).layout
        assert (layout.horizon, layout.merge, layout.period) == (60, 30, 1440)

    @pytest.mark.parametrize("unit", ["milliseconds", "text"])
    def test_times_may_be_milliseconds_or_text(self, tmp_path: Path, unit: str) -> None:
        stamp = kpi()["timestamp"]
        other = stamp * 1000 if unit == "milliseconds" else stamp.astype("datetime64[s]").astype(str)
        write_csv(tmp_path / "one.csv", kpi(timestamp=other))
        group = only(load_folder(tmp_path))
        assert group.layout.interval_s == 300 and group.series[0].first_slot == 1_500_000_000 % 86_400 // 300

    def test_holes_are_unobserved_and_long_ones_are_cut_at_the_same_time_of_day(self, tmp_path: Path) -> None:
        stamp = 300 * numpy.arange(ROWS)
        stamp[600:] += 300 * 10
        stamp[900:] += 86_400 * 40
        numpy.savez(tmp_path / "one.npz", **kpi(timestamp=stamp))
        (series,) = only(load_folder(tmp_path)).series
        assert series.observed.sum() == ROWS and not series.observed[600:610].any()
        assert len(series.observed) == ROWS + 10 + 288

    def test_late_and_repeated_samples_find_their_place(self, tmp_path: Path) -> None:
        columns, order = kpi(), numpy.arange(ROWS)
        order[[50, 51]] = [51, 50]
        order = numpy.insert(order, 70, 69)
        numpy.savez(tmp_path / "one.npz", **{name: column[order] for name, column in columns.items()})
        (series,) = only(load_folder(tmp_path)).series
        assert series.values[:, 0] == pytest.approx(columns["value"], rel=1e-6)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"value": numpy.full(ROWS, 7.0)}, "nothing to learn from"),
            ({"value": numpy.full(ROWS, numpy.nan)}, "nothing to learn from"),
            ({"value": numpy.append(numpy.inf, numpy.arange(ROWS - 1))}, "row 0 of metric 0 is infinite"),
            ({"value": numpy.arange(7)}, "do not fit together"),
            ({"timestamp": numpy.append(300.0 * numpy.arange(ROWS - 1), numpy.nan)}, "no time"),
            ({"timestamp": numpy.random.default_rng(0).permutation(300 * numpy.arange(ROWS))}, "the clock goes back"),
            ({"slice_len": numpy.full(ROWS // 300, 300), "timestamp": numpy.tile(numpy.arange(300), 4)}, "too few"),
        ],
    )
    def test_what_cannot_be_learned_from_is_refused(self, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
        numpy.savez(tmp_path / "one.npz", **kpi(**changes))
        assert words in refusal(tmp_path)

    @pytest.mark.parametrize(
        "slice_len",
        [numpy.array([500, 700]), numpy.repeat([500, 700], [500, 700]), numpy.array(500)],
        ids=["of all slices", "on each row", "of every slice"],
    )
    def test_slices_whose_clock_jumps_back_are_series_of_their_own(self, slice_len: Any) -> None:
        rising = numpy.arange(1200.0)
        assert slices(rising, slice_len) == [(0, 1200)]
        back = rising.copy()
        back[500:] -= 400
        assert slices(back, slice_len) == [(0, 500), (500, 1200)]

    def test_a_slice_length_that_says_nothing_is_left_aside(self) -> None:
        assert slices(numpy.arange(100.0), numpy.array([3, 4])) == [(0, 100)]
        assert slices(numpy.arange(100.0), numpy.array([numpy.nan])) == [(0, 100)]


class TestEngines:
    def write(self, path: Path, units: int = 20, cycles: int = 40, conditions: int = 2) -> None:
        generator = numpy.random.default_rng(0)
        rows = units * cycles
        setting = numpy.arange(rows) % conditions
        sensors = generator.normal(size=(rows, 3)) + 100.0 * setting[:, None]
        table = numpy.column_stack(
            [
                numpy.repeat(numpy.arange(1, units + 1), cycles),
                numpy.tile(numpy.arange(1, cycles + 1), units),
                10.0 * setting + generator.normal(0, 0.001, rows),
                numpy.zeros((rows, 2)),
                sensors,
            ]
        )
        with gzip.open(path, "wt") as handle:
            numpy.savetxt(handle, table)

    def test_each_unit_fails_one_cycle_after_its_last_row(self, tmp_path: Path) -> None:
        self.write(tmp_path / "train_x.txt.gz")
        group = only(load_folder(tmp_path))
        assert group.layout.horizon == 30 and group.layout.period == 0
        assert all(numpy.flatnonzero(series.active).tolist() == [40] for series in group.series)
        parts = [series.part for series in group.series]
        assert parts == [Part.TRAIN] * 9 + [Part.VALIDATION] * 3 + [Part.TEST] * 8

    def test_sensors_are_scaled_within_their_operating_condition(self, tmp_path: Path) -> None:
        self.write(tmp_path / "train_x.txt.gz")
        reference = only(load_folder(tmp_path)).series[0].reference
        assert reference is not None and len(reference) == 9 * 40
        assert reference.mean() == pytest.approx(0, abs=1e-5) and reference.std() == pytest.approx(1, abs=1e-3)

    def test_a_table_of_something_else_is_refused(self, tmp_path: Path) -> None:
        with gzip.open(tmp_path / "train_x.txt.gz", "wt") as handle:
            handle.write("1 2 3\n4 5 6\n")
        assert "no unit, cycle, 3 settings and sensors" in refusal(tmp_path)


def test_files_without_labels_are_counted_and_not_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "plain.csv", {"timestamp": [1], "value": [2]})
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "empty.csv").write_text("")
    found = load_folder(tmp_path)
    assert (found.groups, found.refused, found.others) == ([], {}, 3)


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="is not a folder"):
        load_folder(tmp_path / "nowhere")
