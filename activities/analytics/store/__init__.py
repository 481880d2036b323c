"""The store: what was received, what was done about it, and a journal that cannot be rewritten unseen.

One file a subject; each takes the open :class:`~activities.analytics.store.engine.Store` first. Everything here blocks:
an async caller runs it in a thread.
"""

from __future__ import annotations

from activities.analytics.store.engine import Store, StoreUnavailable, open_store, open_store_if_there
from activities.analytics.store.schema import migrate

__all__ = ["Store", "StoreUnavailable", "migrate", "open_store", "open_store_if_there"]
