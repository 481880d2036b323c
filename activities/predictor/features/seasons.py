"""What the days before were like at this time, and what came next on them.

What is read ahead was remembered when its window had closed: the maximum over the last H rows at slot s + H is that of
what came next at slot s. The broadest window closes 4H after its slot, which is still before now if a day has 4H rows.
"""

from __future__ import annotations

from itertools import pairwise

import numpy
from numpy.typing import NDArray

from activities.predictor.features.definition import Definition, has_hours
from activities.predictor.features.levels import Looked
from activities.predictor.features.rings import Floats, Indices, SlotMemory
from activities.predictor.layout import Layout

PROFILE, PEAK, HIT, SPIKE = 0.35, 0.25, 0.4, 0.3
"""How much the newest day weighs in what is remembered of metrics, ranks, incidents and spikes."""
CLOSES: Indices = numpy.array([1, 2, 4])
"""Horizons after a slot at which what came next has closed: exactly, in the wide and in the broad window."""
WINDOWS = ("exact", "wide", "broad")
DAYS: NDArray[numpy.uint8] = numpy.array([1, 2, 7], dtype=numpy.uint8)

DEFINITIONS = (
    Definition("day_sin", "seasonal", "1", "sin(2 pi slot / period)", need="day"),
    Definition("day_cos", "seasonal", "1", "cos(2 pi slot / period)", need="day"),
    Definition(
        "off_profile",
        "seasonal",
        "widths",
        "mean of x over half - the same at this slot of the days earlier, exponential mean over days (newest weighs"
        " 0.35); 0 where there is none",
        "metric",
        "day",
    ),
    Definition(
        "profile_change",
        "seasonal",
        "widths",
        "mean of x over what came next on days earlier - mean of x over half then, both exponential means over days"
        " (newest weighs 0.35); 0 where there is none",
        "metric",
        "day",
    ),
    Definition("off_profile_mean", "seasonal", "widths", "mean over metrics of |off_profile|", need="day"),
    Definition("off_profile_max", "seasonal", "widths", "max over metrics of |off_profile|", need="day"),
    Definition("profile_change_mean", "seasonal", "widths", "mean over metrics of |profile_change|", need="day"),
    Definition("profile_change_max", "seasonal", "widths", "max over metrics of |profile_change|", need="day"),
    Definition(
        "strangeness_next",
        "seasonal",
        "-log10 share",
        "max of r in what came next, exponential mean over the days earlier (newest weighs 0.25)",
        "detector",
        "day",
    ),
    Definition(
        "strangeness_next_1d",
        "seasonal",
        "-log10 share",
        "max of r in what came next one day earlier",
        "detector",
        "day",
    ),
    *(
        Definition(
            f"days_hit_{reach}", "seasonal", "days", f"days earlier on which an incident started in {where}", need="day"
        )
        for reach, where in (
            ("exact", "(t, t + H]"),
            ("wide", "(t - H, t + 2H]"),
            ("broad", "(t - 4H, t + 4H]"),
        )
    ),
    *(
        Definition(
            f"share_hit_{reach}",
            "seasonal",
            "share",
            f"days_hit_{reach} / (days since outcomes are recorded + 1)",
            need="day",
        )
        for reach in ("exact", "wide", "broad")
    ),
    *(
        Definition(
            f"recent_hit_{reach}",
            "seasonal",
            "share",
            f"the days that days_hit_{reach} counts, as an exponential mean over days (newest weighs 0.4)",
            need="day",
        )
        for reach in ("exact", "wide", "broad")
    ),
    *(
        Definition(
            f"hit_{days}d",
            "seasonal",
            "0 or 1",
            f"an incident started in (t, t + H] exactly {days} days earlier",
            need="day",
        )
        for days in (1, 2, 7)
    ),
    Definition(
        "hour_share",
        "seasonal",
        "share",
        "hours earlier with an incident started in (t, t + H] / (24 days since outcomes are recorded + 12)",
        need="hours",
    ),
    *(
        Definition(
            f"spike_share_{reach}",
            "seasonal",
            "share",
            f"days earlier with a spike in {where} / (days since the first row + 1)",
            need="day",
        )
        for reach, where in (("exact", "(t, t + H]"), ("wide", "(t - H, t + 2H]"))
    ),
    *(
        Definition(
            f"spike_recent_{reach}",
            "seasonal",
            "share",
            f"the days that spike_share_{reach} counts, as an exponential mean over days (newest weighs 0.3)",
            need="day",
        )
        for reach in ("exact", "wide")
    ),
)


class Seasons:
    """The memory of the day's slots. Only for layouts that know a day."""

    def __init__(self, layout: Layout, entities: int, detectors: int) -> None:
        self._period = layout.period
        self._ahead: Indices = CLOSES * layout.horizon
        self._hour = layout.period // 24 if has_hours(layout) else 0
        metrics = len(layout.metrics)
        widths = (metrics, metrics, detectors, detectors, 5, 3, 2)
        gain = numpy.repeat([PROFILE, PROFILE, PEAK, 1.0, 1.0, HIT, SPIKE], widths)
        keep = 1.0 - gain
        edges = numpy.cumsum((0, *widths)).tolist()
        self._half, self._whole, self._peak, self._latest, counted = (
            slice(begin, end) for begin, end in pairwise(edges[:6])
        )
        keep[counted] = 1.0
        # Of the counts and means of hits and spikes, each where its window has closed, in a line of all slots ahead.
        windows = numpy.array([0, 1, 2, 0, 1, 0, 1, 2, 0, 1])
        self._where_closed: Indices = numpy.arange(edges[4], edges[7]) + windows * (edges[7] + 1)
        self._slots = SlotMemory(entities, layout.period, keep, gain)
        self._hours: Floats = numpy.zeros((entities, max(self._hour, 1)))
        # Bit d: an incident started within a horizon of the slot, d days ago.
        self._hit_days: NDArray[numpy.uint8] = numpy.zeros((entities, layout.period), dtype=numpy.uint8)
        angle = numpy.arange(layout.period) * (2 * numpy.pi / layout.period)
        self._angle: Floats = numpy.stack((numpy.sin(angle), numpy.cos(angle)), axis=1)

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._slots.forget(which)
        self._hours[which] = 0.0
        self._hit_days[which] = 0

    def observe(
        self,
        which: Indices,
        slot: Indices,
        looked: Looked,
        hits: NDArray[numpy.bool_],
        spikes: NDArray[numpy.bool_],
        days: Floats,
        days_known: Floats,
    ) -> dict[str, Floats]:
        """*hits* [n, 3] and *spikes* [n, 2]: one started within the windows that close here; *days* [n, 1] since the
        first row, and *days_known* since outcomes are recorded."""
        peak, seen = looked.peak, numpy.ones((len(which), 1))
        now = (looked.half, looked.whole, peak, peak, hits, spikes, hits, spikes, seen)
        before = self._slots.observe(which, slot, numpy.concatenate(now, axis=1, dtype=numpy.float64))
        ahead = self._slots.ahead(which, slot[:, None] + self._ahead)
        features: dict[str, Floats] = {
            "day_sin": self._angle[slot, :1],
            "day_cos": self._angle[slot, 1:],
            "strangeness_next": ahead[:, 0, self._peak],
            "strangeness_next_1d": ahead[:, 0, self._latest],
        }
        profile = before[:, self._half]
        moves = numpy.empty((len(which), 2, profile.shape[1]))
        numpy.multiply(looked.half - profile, before[:, -1:] > 0, out=moves[:, 0])
        numpy.multiply(
            ahead[:, 0, self._whole] - profile, (before[:, -1:] > 0) & (ahead[:, 0, -1:] > 0), out=moves[:, 1]
        )
        features |= self._against_profile(moves)
        features |= self._recurrence(ahead.reshape(len(which), ahead.shape[1] * ahead.shape[2]), days, days_known)
        features |= self._hit_before(which, slot, hits[:, 0])
        if self._hour:
            self._hours[which, slot % self._hour] += hits[:, 0]
            next_hour = self._hours[which, (slot + self._ahead[0]) % self._hour]
            features["hour_share"] = next_hour[:, None] / (days_known * 24 + 12)
        return features

    @staticmethod
    def _against_profile(moves: Floats) -> dict[str, Floats]:
        """Of the distance from the day's profile and of its change ahead: [n, 2, M]."""
        size = numpy.abs(moves)
        mean, largest = size.sum(axis=2) / size.shape[2], size.max(axis=2)
        return {
            "off_profile": moves[:, 0],
            "profile_change": moves[:, 1],
            "off_profile_mean": mean[:, :1],
            "off_profile_max": largest[:, :1],
            "profile_change_mean": mean[:, 1:],
            "profile_change_max": largest[:, 1:],
        }

    def _recurrence(self, ahead: Floats, days: Floats, days_known: Floats) -> dict[str, Floats]:
        """Each window is read where it closes."""
        found = ahead.take(self._where_closed, axis=1)
        hit_shares, spike_shares = found[:, :3] / (days_known + 1), found[:, 3:5] / (days + 1)
        features: dict[str, Floats] = {}
        for i, window in enumerate(WINDOWS):
            features[f"days_hit_{window}"] = found[:, i : i + 1]
            features[f"share_hit_{window}"] = hit_shares[:, i : i + 1]
            features[f"recent_hit_{window}"] = found[:, 5 + i : 6 + i]
        for i, window in enumerate(WINDOWS[:2]):
            features[f"spike_share_{window}"] = spike_shares[:, i : i + 1]
            features[f"spike_recent_{window}"] = found[:, 8 + i : 9 + i]
        return features

    def _hit_before(self, which: Indices, slot: Indices, hit: NDArray[numpy.bool_]) -> dict[str, Floats]:
        """Of the days one, two and seven ago alone."""
        self._hit_days[which, slot] = (self._hit_days[which, slot] << 1) | (hit << 1)
        bits = self._hit_days[which, (slot + self._ahead[0]) % self._period]
        hits = ((bits[:, None] >> DAYS) & 1).astype(numpy.float64)
        return {"hit_1d": hits[:, :1], "hit_2d": hits[:, 1:2], "hit_7d": hits[:, 2:]}
