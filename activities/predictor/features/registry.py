"""Every feature: what it is called, what kind it is, its unit, and how it is computed.

The columns of a feature bank, their names and their categories, and the table in the documents follow from here. A
definition is one line however many metrics or detectors it is repeated over; the tests recompute each plainly.

Words of the formulas: H is the horizon in rows, t the present row, x a metric in widths from its median (robustly
scaled), r the rank of a detector (-log10 of how rare such a row is). "Mean of W" is over the last W rows or those that
there are (short: H/6, at least 1; half: H/2, at least 2); "slow mean" is the exponential mean of span 8H. "A day
earlier" is the same slot of the day on the days before; what came "next" then is what lies in (t, t + H], moved back by
whole days, so that it is never later than t. "At most 6" logarithms of horizons are 400 horizons, and stand for never.
"""

from __future__ import annotations

from dataclasses import dataclass

from activities.predictor.features.definition import Definition
from activities.predictor.layout import Layout

LEVELS = (
    Definition("level", "statistical", "widths", "short mean of x", "metric"),
    Definition("level_long", "statistical", "widths", "slow mean of x", "metric"),
    Definition(
        "z_short",
        "statistical",
        "deviations",
        "(short mean - slow mean of x) / (slow deviation of x + 0.1), within +-20",
        "metric",
    ),
    Definition(
        "deviation_ratio",
        "statistical",
        "log ratio",
        "log((deviation of x over half + 0.05) / (slow deviation + 0.05))",
        "metric",
    ),
    Definition("level_abs_mean", "statistical", "widths", "mean over metrics of |level|"),
    Definition("level_abs_max", "statistical", "widths", "max over metrics of |level|", need="several metrics"),
    Definition("level_beyond_3", "statistical", "share", "share of metrics with |level| > 3", need="several metrics"),
    Definition("z_abs_mean", "statistical", "deviations", "mean over metrics of |z_short|"),
    Definition("z_abs_max", "statistical", "deviations", "max over metrics of |z_short|", need="several metrics"),
    Definition("z_beyond_3", "statistical", "share", "share of metrics with |z_short| > 3", need="several metrics"),
    Definition("ratio_abs_mean", "statistical", "log ratio", "mean over metrics of |deviation_ratio|"),
    Definition(
        "ratio_abs_max", "statistical", "log ratio", "max over metrics of |deviation_ratio|", need="several metrics"
    ),
    Definition(
        "ratio_beyond_1",
        "statistical",
        "share",
        "share of metrics with |deviation_ratio| > 1",
        need="several metrics",
    ),
)

TRENDS = (
    Definition(
        "slope",
        "time-based",
        "widths",
        "mean of x over half - mean of the half before it; 0 where there is none",
        "metric",
    ),
    Definition(
        "slope_long",
        "time-based",
        "widths",
        "mean of x over 2H - mean of the 2H before them; 0 where there are none",
        "metric",
    ),
    Definition("slope_abs_mean", "time-based", "widths", "mean over metrics of |slope|"),
    Definition("slope_abs_max", "time-based", "widths", "max over metrics of |slope|", need="several metrics"),
    Definition("slope_long_abs_mean", "time-based", "widths", "mean over metrics of |slope_long|"),
    Definition(
        "slope_long_abs_max", "time-based", "widths", "max over metrics of |slope_long|", need="several metrics"
    ),
    Definition("missing_share", "time-based", "share", "slow mean of: the sample was not there"),
    Definition("age", "time-based", "log horizons", "log(1 + t / H), t from the first row", need="no day"),
    Definition(
        "off_opening", "time-based", "widths", "mean of x over half - mean of its first H rows", "metric", "no day"
    ),
    Definition("off_opening_mean", "time-based", "widths", "mean over metrics of |off_opening|", need="no day"),
    Definition("off_opening_max", "time-based", "widths", "max over metrics of |off_opening|", need="no day"),
)

STRANGENESS = (
    Definition("strangeness_short", "statistical", "-log10 share", "short mean of r", "detector"),
    Definition("strangeness_max", "statistical", "-log10 share", "max of r over H", "detector"),
    Definition("strangeness_long", "statistical", "-log10 share", "slow mean of r", "detector"),
    Definition("strangeness_often", "statistical", "share", "slow mean of: r > 2", "detector"),
    Definition("detectors_agreeing", "statistical", "share", "share of detectors whose max of r over H is above 2"),
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
)

CORRELATIONS = (
    Definition(
        "cohesion",
        "correlation",
        "correlation",
        "mean over metrics of |correlation of x with the mean of all metrics|, span 2H",
        need="several metrics",
    ),
    Definition(
        "cohesion_change", "correlation", "correlation", "cohesion - the same with span 16H", need="several metrics"
    ),
    Definition(
        "correlation_size",
        "correlation",
        "correlation",
        "mean over pairs of metrics of |correlation|, span 2H",
        need="several metrics",
    ),
    Definition(
        "correlation_change",
        "correlation",
        "correlation",
        "mean over the other metrics of |correlation with them, span 2H - span 16H|",
        "metric",
        "several metrics",
    ),
    Definition(
        "correlation_change_mean",
        "correlation",
        "correlation",
        "mean over metrics of correlation_change",
        need="several metrics",
    ),
    Definition(
        "correlation_change_max",
        "correlation",
        "correlation",
        "the pair of metrics with the largest |correlation, span 2H - span 16H|",
        need="several metrics",
    ),
    Definition(
        "parting_max",
        "correlation",
        "correlation",
        "max over metrics of correlation_change: one metric that parts from all",
        need="several metrics",
    ),
    Definition(
        "concentration",
        "correlation",
        "share",
        "sum of squares / square of the sum of the eigenvalues of the correlation matrix, span 2H:"
        " 1 where all variance lies in one direction",
        need="several metrics",
    ),
    Definition(
        "concentration_change", "correlation", "share", "concentration - the same with span 16H", need="several metrics"
    ),
)

SEASONS = (
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
)

INCIDENTS = (
    Definition(
        "since_last_start", "time-based", "log horizons", "log(1 + rows since the last incident started / H), at most 6"
    ),
    Definition(
        "since_last_active",
        "time-based",
        "log horizons",
        "log(1 + rows since an incident was under way / H), at most 6",
    ),
    Definition(
        "incident_rate",
        "time-based",
        "incidents per 48H",
        "(incidents + 0.5) / (rows since outcomes are recorded / 48H + 2)",
    ),
    Definition("starts_8H", "time-based", "incidents", "sum over incidents of 0.5 ^ (rows since its start / 8H)"),
    Definition("starts_48H", "time-based", "incidents", "sum over incidents of 0.5 ^ (rows since its start / 48H)"),
    Definition("starts_192H", "time-based", "incidents", "sum over incidents of 0.5 ^ (rows since its start / 192H)"),
    Definition(
        "active_share",
        "time-based",
        "share",
        "exponential mean with half-life 48H of: an incident is under way; 0 at first",
    ),
    Definition(
        "last_length",
        "time-based",
        "log horizons",
        "log(1 + length / H) of the last incident whose cool-down has passed, at most 6; 0 where there is none",
    ),
    Definition(
        "gap_ratio",
        "time-based",
        "log ratio",
        "log((rows since the last start + 1) / (rows between the last two starts + 1)); 0 before the second",
    ),
)

INCIDENTS_BY_DAY = (
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
        "to_next_seasonal",
        "seasonal",
        "log horizons",
        "log(1 + rows to the next slot of the day at which one of the last 32 incidents started / H); a day if none",
        need="day",
    ),
    Definition(
        "hour_share",
        "seasonal",
        "share",
        "hours earlier with an incident started in (t, t + H] / (24 days since outcomes are recorded + 12)",
        need="hours",
    ),
)

SPIKES = (
    Definition(
        "spike_trust",
        "statistical",
        "share",
        "(spikes with an incident under way within H/2 of them + 0.2) / (spikes judged, H/2 after each, + 2), since"
        " outcomes are recorded; a spike: mean of r over robust_z, isolation_forest, jump above 2.3 after H rows below",
    ),
    Definition("spike_rate", "statistical", "spikes", "sum over spikes of 0.5 ^ (rows since / 192H)"),
    Definition("since_spike", "time-based", "log horizons", "log(1 + rows since the last spike / H), at most 6"),
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

BUSINESS = (
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

DEFINITIONS: tuple[Definition, ...] = (
    *LEVELS,
    *TRENDS,
    *STRANGENESS,
    *CORRELATIONS,
    *SEASONS,
    *INCIDENTS,
    *INCIDENTS_BY_DAY,
    *SPIKES,
    *BUSINESS,
)
"""All features, in the order of their columns."""


@dataclass(frozen=True)
class Column:
    """One number of a row: a definition, and the metric or detector that it is of, empty where it is of the entity."""

    definition: Definition
    subject: str

    @property
    def name(self) -> str:
        """Unique in a layout."""
        return f"{self.definition.name}[{self.subject}]" if self.subject else self.definition.name


def columns(layout: Layout, detectors: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns of rows that are laid out so, when ranked by these *detectors*."""
    subjects = {"entity": ("",), "metric": layout.metrics, "detector": detectors}
    return tuple(
        Column(definition, subject)
        for definition in DEFINITIONS
        if definition.exists_in(layout)
        for subject in subjects[definition.over]
    )
