"""The senders that the gateway understands: one file each, and this table of those that send alerts."""

from __future__ import annotations

from workers.gateway.sources import alertmanager
from workers.gateway.sources.source import Read

SOURCES: dict[str, Read] = {
    "alertmanager": alertmanager.read,
}
"""By the name in the URL, which is also the name of its token in ``STERNWAY_ALERT_TOKENS``."""
