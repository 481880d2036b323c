"""What the gateway's embedded worker runs, from the registry of all processes.

It is given the token that may protect, and no other: whoever parses webhooks can throttle a service for the length of
a lease, and do nothing else.
"""

from __future__ import annotations

from functools import partial

from activities.analytics.store import Store, catalogs
from activities.catalogs import Catalogs
from activities.directory import Directory
from models.catalog_file import LoadedCatalog
from models.settings import Settings
from workers.gateway.connection import Register, Registered
from workers.registry import WORKFLOWS, local_activities


def register(settings: Settings, loaded: LoadedCatalog, store: Store) -> Register:
    """All workflows, and the activities that they run in the process of their own."""
    token = settings.protect_token.get_secret_value() if settings.protect_token else ""
    directory = Directory(Catalogs(loaded, partial(catalogs.recall, store)), protect=token, operate="")
    return lambda client: Registered(WORKFLOWS, local_activities(directory, client))
