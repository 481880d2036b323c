"""The alerts that an incident was told of: in a storm they are thousands, so that most are told apart and no more."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from models.alert import AlertReference, AlertStatus, Severity, most_urgent

SHOWN = 250
"""Alerts that are kept whole, to be shown; a query's answer has to stay far below the 2 MB that Temporal carries."""

NAMED = 20
"""Fingerprints of joined alerts in one entry of the journal; a storm's are counted, and the store has them all."""


class Alerts:
    def __init__(self, severity: Severity, alerts: Sequence[AlertReference]) -> None:
        self.severity = severity
        """Of the most urgent alert so far. It does not fall when that one is resolved: the trouble was that bad."""
        self._all = {alert.identity for alert in alerts}
        self.first = tuple(alerts[:SHOWN])

    @property
    def number(self) -> int:
        return len(self._all)

    def __contains__(self, alert: AlertReference) -> bool:
        return alert.identity in self._all

    def join(self, alerts: Sequence[AlertReference]) -> list[AlertReference]:
        """Those of *alerts* that are new."""
        new: list[AlertReference] = []
        for alert in alerts:
            if alert not in self:
                self._all.add(alert.identity)
                new.append(alert)
        self.first += tuple(new[: SHOWN - len(self.first)])
        firing = (alert.severity for alert in new if alert.status is AlertStatus.FIRING)
        self.severity = most_urgent((self.severity, *firing))
        return new


def named(alerts: Sequence[AlertReference]) -> list[str]:
    """What the journal calls them by."""
    return [alert.fingerprint for alert in alerts[:NAMED]]
