"""The files that ``bench.predictor`` reads, as groups of entities; what cannot be evaluated is refused with a reason.

What a file is follows from its keys or columns, the horizon from that and the sampling interval (30 minutes for metrics
of a server each minute, 60 minutes for all others, 30 cycles for engines). No parameter follows from a name. Files of
one folder with the same metrics and interval are one group.
"""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy
from numpy.typing import NDArray

from activities.predictor.layout import Layout
from activities.predictor.learning.episodes import Floats, Group, Mask, Part, Rows, Series, Split
from models.base import SternwayError

DAY_S = 86_400
FEWEST_ROWS = 500
LATE_SHARE = 0.01
"""Of the samples, so many may come after a younger one; a clock that goes back more often is none."""
LONGEST_HOLE_DAYS = 2
"""Longer holes are cut to less than this, at the same time of day."""
MULTIVARIATE = {"train", "test", "label", "interval_s"}
KPI = {"timestamp", "value", "label"}
CYCLES = 30
"""The horizon of engines."""
SETTINGS = numpy.array([1.0, 0.1, 1.0])
"""Differences in the three settings of an engine that make no other operating condition."""
UNREADABLE = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error, csv.Error)


class DataRefused(SternwayError):
    """A file that cannot be evaluated."""


@dataclass
class Found:
    """What lies below a folder."""

    groups: list[Group] = field(default_factory=list[Group])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Reasons by file."""
    others: int = 0
    """Files of no known format, for example without labels."""


def load_folder(root: Path) -> Found:
    """All groups below *root*, by their name; DataRefused where there is no such folder."""
    if not root.is_dir():
        raise DataRefused(f"{root} is not a folder; give the one that holds the files with --data")
    found = Found()
    groups: dict[tuple[str, Layout], list[Series]] = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = str(path.relative_to(root))
        try:
            loaded = load_file(path)
        except SternwayError as refused:
            found.refused[name] = str(refused)
        except UNREADABLE as broken:
            found.refused[name] = f"it cannot be read ({type(broken).__name__}: {broken}); is it complete?"
        else:
            found.others += not loaded
            for key, layout, series in loaded:
                folder = str(Path(name).parent / key)
                groups.setdefault((folder, layout), []).append(series)
    for (folder, layout), members in groups.items():
        step = "a cycle" if members[0].part is not None else f"{layout.interval_s} s"
        each = f"{len(layout.metrics)} metrics, {step}"
        found.groups.append(Group(f"{folder}: {each}", layout, tuple(members)))
    return found


def load_file(path: Path) -> list[tuple[str, Layout, Series]]:
    """The entities of a file with what sets them apart from others of their folder; none if it has no known format."""
    if path.suffix == ".npz":
        with numpy.load(path, allow_pickle=False) as archive:
            columns = {key: archive[key] for key in archive.files}
        if columns.keys() >= MULTIVARIATE:
            return [("", *multivariate(path.name, columns))]
        if columns.keys() >= KPI:
            return [("", *one) for one in kpi(path.name, columns)]
        raise DataRefused(f"it has the keys {sorted(columns)}; needed are {sorted(MULTIVARIATE)} or {sorted(KPI)}")
    if path.name.endswith((".csv", ".csv.gz")):
        columns = _csv_columns(path)
        return [("", *one) for one in kpi(path.name, columns)] if columns.keys() >= KPI else []
    if path.name.startswith("train_") and path.name.endswith(".txt.gz"):
        with gzip.open(path, "rt") as handle:
            table = numpy.loadtxt(handle, ndmin=2)
        return [(path.name.split(".")[0], *one) for one in run_to_failure(table)]
    return []


def multivariate(entity: str, columns: Mapping[str, NDArray[Any]]) -> tuple[Layout, Series]:
    """Metrics of a server or service: ``train`` without labels, directly followed by ``test`` with them."""
    train, test = (_two_dimensional(columns[key]) for key in ("train", "test"))
    label, interval = columns["label"].ravel(), int(columns["interval_s"].ravel()[0])
    if len(label) != len(test) or train.shape[1] != test.shape[1] or interval <= 0:
        raise DataRefused(
            f"train {train.shape}, test {test.shape}, label {label.shape} and interval {interval} s do not fit together"
        )
    raw = numpy.concatenate([train, test])
    _refuse(raw)
    metrics = tuple(f"metric {number}" for number in range(raw.shape[1]))
    minutes = 30 if interval < 300 else 60
    return _layout(metrics, interval, minutes), Series(
        entity,
        forward_filled(raw),
        numpy.isfinite(raw).sum(axis=1) > 0,
        numpy.concatenate([numpy.zeros(len(train), dtype=bool), label > 0]),
        labelled_from=len(train),
    )


def kpi(entity: str, columns: Mapping[str, NDArray[Any]]) -> Iterator[tuple[Layout, Series]]:
    """One metric with times and labels, perhaps in slices."""
    value, label = (columns[key].ravel().astype(numpy.float64) for key in ("value", "label"))
    stamp = seconds(columns["timestamp"])
    if not len(value) == len(label) == len(stamp):
        raise DataRefused(f"{len(stamp)} timestamps, {len(value)} values and {len(label)} labels do not fit together")
    if not numpy.isfinite(stamp).all():
        row = int(numpy.flatnonzero(~numpy.isfinite(stamp))[0])
        raise DataRefused(f"the timestamp of row {row} is no time")
    _refuse(value[:, None])
    lengths = columns["slice_len"] if "slice_len" in columns else numpy.zeros(0)
    pieces = [(begin, end) for begin, end in slices(stamp, lengths) if end - begin >= FEWEST_ROWS]
    if not pieces:
        raise DataRefused(f"no slice has {FEWEST_ROWS} rows, which is too few to learn from")
    for number, (begin, end) in enumerate(pieces):
        name = entity if len(pieces) == 1 else f"{entity}#{number}"
        yield gridded(name, stamp[begin:end], value[begin:end], label[begin:end] > 0)


def slices(stamp: Floats, slice_len: NDArray[Any]) -> list[tuple[int, int]]:
    """First rows and ends. ``slice_len`` is the lengths of all slices, that of each row's slice, or that of every one.

    Slices whose clock goes on are one series; where it jumps back, another begins.
    """
    rows = len(stamp)
    lengths = slice_len.ravel().astype(numpy.float64)
    lengths = lengths[numpy.isfinite(lengths)].astype(int)
    cuts = [0, rows]
    if len(lengths) == rows and rows > 1:
        cuts = [0]
        while cuts[-1] < rows:
            cuts.append(min(cuts[-1] + max(int(lengths[cuts[-1]]), 1), rows))
    elif len(lengths) and lengths.sum() == rows and lengths.min() > 0:
        cuts = [0, *numpy.cumsum(lengths).tolist()]
    elif len(lengths) == 1 and 0 < lengths[0] < rows:
        cuts = [*range(0, rows, int(lengths[0])), rows]
    joined: list[tuple[int, int]] = []
    for begin, end in pairwise(cuts):
        if joined and stamp[begin] > stamp[joined[-1][1] - 1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def gridded(entity: str, stamp: Floats, value: Floats, label: Mask) -> tuple[Layout, Series]:
    """Samples on a regular grid: late ones put in their place, repeated ones left out, holes unobserved."""
    back = numpy.flatnonzero(numpy.diff(stamp) < 0)
    if len(back) > LATE_SHARE * len(stamp):
        raise DataRefused(f"the clock goes back at {len(back)} rows, first at row {int(back[0]) + 1}; sort the file")
    order = numpy.argsort(stamp, kind="stable")
    order = order[numpy.append(True, numpy.diff(stamp[order]) > 0)]
    stamp, value, label = stamp[order], value[order], label[order]
    interval = max(1, int(numpy.median(numpy.diff(stamp)))) if len(stamp) > 1 else 1
    day = max(DAY_S // interval, 1)
    steps: Rows = numpy.maximum(numpy.round(numpy.diff(stamp) / interval), 1).astype(numpy.intp)
    steps = numpy.where(steps > LONGEST_HOLE_DAYS * day, day + steps % day, steps)
    row = numpy.append(0, numpy.cumsum(steps))
    grid = numpy.full((int(row[-1]) + 1, 1), numpy.nan, dtype=numpy.float32)
    active, observed = numpy.zeros(len(grid), dtype=bool), numpy.zeros(len(grid), dtype=bool)
    grid[row, 0], active[row], observed[row] = value, label, numpy.isfinite(value)
    slot = int(stamp[0] % DAY_S) // interval
    series = Series(entity, forward_filled(grid), observed, active, labelled_from=0, first_slot=slot)
    return _layout(("value",), interval, 60), series


def seconds(stamp: NDArray[Any]) -> Floats:
    """Of numbers (seconds or milliseconds since 1970) or ISO 8601."""
    try:
        numbers = stamp.ravel().astype(numpy.float64)
    except ValueError:
        return stamp.ravel().astype("datetime64[s]").astype(numpy.int64).astype(numpy.float64)
    return numbers / 1000 if len(numbers) and numpy.nanmedian(numbers) > 1e11 else numbers


def run_to_failure(table: Floats) -> Iterator[tuple[Layout, Series]]:
    """Engines (unit, cycle, 3 settings, sensors), each of which fails after its last row.

    Units go to the parts in their order, as a whole. Sensors are scaled within their operating condition, by what the
    units of the train part say of it.
    """
    if table.shape[1] < 6 or not numpy.isfinite(table).all():
        raise DataRefused(f"rows of {table.shape[1]} finite numbers are no unit, cycle, 3 settings and sensors")
    unit, split = table[:, 0].astype(int), Split()
    units: list[int] = numpy.unique(unit).tolist()
    share = numpy.arange(len(units)) / len(units)
    part_of = numpy.select([share < split.train, share < split.train + split.validation], [Part.TRAIN, Part.VALIDATION])
    part_of[share >= split.train + split.validation] = Part.TEST
    known = part_of[numpy.searchsorted(units, unit)] == Part.TRAIN
    sensors = _scaled_by_condition(table[:, 2:5], table[:, 5:], known)
    reference = sensors[known].astype(numpy.float32)
    metrics = tuple(f"sensor {number + 1}" for number in range(sensors.shape[1]))
    layout = Layout(metrics, interval_s=1, horizon=CYCLES, period=0, merge=1)
    for number, part in zip(units, part_of.tolist(), strict=True):
        values = sensors[unit == number].astype(numpy.float32)
        values = numpy.concatenate([values, values[-1:]])  # the failure comes one cycle after the last row
        rows = numpy.arange(len(values))
        yield (
            layout,
            Series(f"{number}", values, rows >= 0, rows == rows[-1], 0, part=Part(part), reference=reference),
        )


def _scaled_by_condition(settings: Floats, sensors: Floats, known: Mask) -> Floats:
    condition = numpy.unique(numpy.round(settings / SETTINGS), axis=0, return_inverse=True)[1].ravel()
    scaled = sensors.copy()
    for number in numpy.unique(condition).tolist():
        inside = condition == number
        sample = sensors[inside & known] if (inside & known).any() else sensors[known]
        deviation = sample.std(axis=0)
        scaled[inside] = (sensors[inside] - sample.mean(axis=0)) / numpy.where(deviation > 1e-8, deviation, numpy.inf)
    return scaled


def forward_filled(values: Floats | NDArray[numpy.float32]) -> NDArray[numpy.float32]:
    """[rows, metrics] with the last known value in each hole; 0 where none is known yet."""
    finite = numpy.isfinite(values)
    last = numpy.maximum.accumulate(numpy.where(finite, numpy.arange(len(values))[:, None], -1), axis=0)
    filled = numpy.take_along_axis(values, numpy.maximum(last, 0), axis=0)
    return numpy.where(last >= 0, filled, 0.0).astype(numpy.float32)


def _refuse(values: Floats | NDArray[numpy.float32]) -> None:
    if numpy.isinf(values).any():
        row, column = (int(place) for place in numpy.argwhere(numpy.isinf(values))[0])
        raise DataRefused(f"row {row} of metric {column} is infinite; leave out what was not measured")
    varies = [numpy.ptp(column[numpy.isfinite(column)]) > 0 for column in values.T if numpy.isfinite(column).any()]
    if not any(varies):
        raise DataRefused("no metric varies, or none has a value: there is nothing to learn from")
    if len(values) < FEWEST_ROWS:
        raise DataRefused(f"{len(values)} rows are too few to learn from; {FEWEST_ROWS} are needed")


def _two_dimensional(values: NDArray[Any]) -> NDArray[numpy.float32]:
    if values.ndim not in (1, 2):
        raise DataRefused(f"an array of shape {values.shape} is not rows x metrics")
    return values.astype(numpy.float32) if values.ndim == 2 else values.astype(numpy.float32)[:, None]


def _layout(metrics: tuple[str, ...], interval: int, minutes: int) -> Layout:
    horizon = max(1, round(minutes * 60 / interval))
    merge = max(1, round((30 if interval < 300 else 60) * 60 / interval))
    day = DAY_S // interval
    return Layout(metrics, interval, horizon, day if day >= 4 * horizon else 0, merge)


def _csv_columns(path: Path) -> dict[str, NDArray[Any]]:
    """None where the header is not that of a KPI; cells that are empty become "nan"."""
    with _opened(path) as handle:
        reader = csv.DictReader(handle, skipinitialspace=True)
        names = [name for name in reader.fieldnames or () if name in KPI | {"slice_len"}]
        if len(KPI.intersection(names)) < len(KPI):
            return {}
        rows = list(reader)
    return {name: numpy.array([row[name] or "nan" for row in rows]) for name in names}


def _opened(path: Path) -> TextIO:
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")
