"""The pairs of windows over which a burn rate must exceed its factor, as a person writes them.

``1h:5m:14.4`` says: alert while the error budget burns more than 14.4 times as fast as the objective allows, both over
the last hour (it matters) and over the last five minutes (it is still going on). The figures are those of the Site
Reliability Workbook, chapter 5: 14.4 over 1 h uses 2% of a month's budget, 6 over 6 h 5%, 3 over 1 d or 1 over 3 d 10%.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.alert import Severity
from models.base import SternwayError

PAGES = "1h:5m:14.4,6h:30m:6"
"""What should wake somebody. The workbook's tickets are ``1d:2h:3:warning,3d:6h:1:warning``."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class BurnWindow:
    """Lengths in seconds."""

    long: float
    short: float
    factor: float
    severity: Severity

    def scaled(self, scale: float) -> BurnWindow:
        return BurnWindow(self.long / scale, self.short / scale, self.factor, self.severity)


def parse_windows(text: str) -> tuple[BurnWindow, ...]:
    """``LONG:SHORT:FACTOR[:SEVERITY]``, with commas between. Raises :class:`~models.base.SternwayError`."""
    return tuple(_window(part.strip()) for part in text.split(","))


def parse_duration(text: str) -> float:
    """Seconds of ``500ms``, ``90s``, ``5m``, ``1h`` or ``3d``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if found is None or float(found[1]) == 0:
        raise SternwayError(f'"{text}" is not a duration; write a number and a unit, such as 30s, 5m, 6h or 3d')
    return float(found[1]) * _UNITS[found[2]]


def _window(text: str) -> BurnWindow:
    parts = text.split(":")
    if len(parts) not in (3, 4):
        raise SternwayError(f'"{text}" is not a pair of windows; write LONG:SHORT:FACTOR, such as 1h:5m:14.4')
    long, short = parse_duration(parts[0]), parse_duration(parts[1])
    if short >= long:
        raise SternwayError(f'"{text}": the second window must be the shorter one; write {parts[1]}:{parts[0]}')
    try:
        factor = float(parts[2])
        severity = Severity(parts[3]) if len(parts) == 4 else Severity.CRITICAL
    except ValueError:
        raise SternwayError(
            f'"{text}": after the two windows come a number and, if you like, one of {", ".join(Severity)}'
        ) from None
    if not 0 < factor < float("inf"):
        raise SternwayError(
            f'"{text}": the factor must be more than 0; 1 uses the budget up exactly at its period\'s end'
        )
    return BurnWindow(long, short, factor, severity)
