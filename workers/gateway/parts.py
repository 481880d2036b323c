"""What the gateway's routes work with."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from activities.analytics.store import Store
from models.catalog_file import LoadedCatalog
from models.settings import Settings
from workers.gateway.body import Room
from workers.gateway.connection import Connection
from workers.gateway.dispatcher import Dispatcher
from workers.gateway.guard_states import GuardStates
from workers.gateway.writing import Writer


@dataclass(frozen=True)
class Parts:
    settings: Settings
    store: Store
    writer: Writer
    loaded: LoadedCatalog
    connection: Connection
    dispatcher: Dispatcher
    guards: GuardStates
    room: Room
    """For bodies of senders who are known."""
    webhooks: Room
    """For bodies that must be read to know their sender."""


async def parts(request: Request) -> Parts:
    """The parts of the application that answers *request*.

    A coroutine, as every dependency here: FastAPI would send a function through a thread, which costs a storm's webhook
    more than reading it.
    """
    return request.app.state.parts
