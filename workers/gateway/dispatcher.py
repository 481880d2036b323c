"""From pending alerts to incidents: at once when they come in, and from the store for whatever was left behind.

The store decides what is pending and Temporal decides what runs; what is held here is only a working copy. An alert
leaves it when the store has been told what became of it, so that a crash at any point leaves it pending.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta

from opentelemetry import context as traces
from opentelemetry.context import Context
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.analytics.store import Store, StoreUnavailable, deliveries
from activities.analytics.store.deliveries import StoredAlert
from models.alert import Alert, Severity
from models.catalog import Catalog
from models.catalog_file import LoadedCatalog
from models.identity import new_incident_id
from models.incident import IncidentStart
from workers.gateway.connection import Connection
from workers.gateway.handover import Beginning, Handed, Unknown, hand_over
from workers.gateway.lanes import Lane, Lanes
from workers.gateway.opening import API, correlation, opening
from workers.gateway.placing import CORRECT_LABELS, has_place, misplaced
from workers.gateway.settling import Settling
from workers.gateway.writing import Writer
from workers.observability.logs import about, logger

AT_ONCE = 4
"""Lanes that are handed over at the same time, and as many again for those with a critical alert: admission control for
Temporal, which begins about 33 incidents a second. However much else waits, what is critical has places of its own."""

HELD = 20_000
"""Alerts in memory, of some 3 kB each; those beyond it wait in the store. Twice as many as the largest message has, so
that a storm's alerts of one trouble reach it together."""

HELD_FOR_CRITICAL = 5_000
"""Places beyond those for critical alerts: they do not wait until there is room in a storm's crowd."""

TICK = 5.0
"""Seconds between two looks into the store for alerts that another gateway, or an earlier one, left behind."""

OURS = timedelta(seconds=2)
"""A pending alert that is younger is left to the gateway that took it in."""

FIRST_PAUSE, LONGEST_PAUSE, LONGEST_ASIDE = 0.1, 2.0, 60.0
"""Seconds of back-off: the longest with Temporal or the store away, and for one lane that fails though both answer."""

PROTECTING = 0.05
"""Seconds in which a critical incident has this process and its disk to itself: noting it in the store at once would
make its first protective action a tenth slower. Until it is noted the alert is pending, and a crash leaves it so."""

AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.ABORTED,
    }
)


class Dispatcher:
    def __init__(
        self, store: Store, writer: Writer, connection: Connection, loaded: LoadedCatalog, page: Callable[[str], str]
    ) -> None:
        self._store = store
        self._writer = writer
        self._settling = Settling(store, writer)
        self._connection = connection
        self._loaded = loaded
        self._beginning = Beginning(self._opening, page, connection.build)
        self._lanes = Lanes()
        self._keys: dict[tuple[str, str], str] = {}
        self._traces: dict[str, Context] = {}
        self._outcomes: dict[int, asyncio.Future[Handed]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._handing = Counter[bool]()
        """Lanes that are being handed over: with a critical alert, and without."""
        self._pause = FIRST_PAUSE
        self._away = False
        self._in_order = True
        """What has piled up is begun one by one in its order; what comes as we go, side by side."""
        self._looked = False
        self._stopping = False
        self._more_in_store = False
        self._look = asyncio.Event()

    def offer(self, alerts: Sequence[StoredAlert]) -> None:
        """Hand these over as soon as possible; they have just become durable. Never blocks.

        Also to be called with none, once a delivery has been dealt with: others may have waited for that.
        """
        self._take_in(alerts, suspect=False)
        self._pump()

    async def outcome(self, stored: StoredAlert, seconds: float, *, suspect: bool) -> Handed | None:
        """Offer one alert and wait for what becomes of it; none if nothing did within *seconds*: it stays pending."""
        future = self._outcomes.setdefault(stored.id, asyncio.get_running_loop().create_future())
        self._take_in([stored], suspect=suspect)
        self._pump()
        try:
            return await asyncio.wait_for(asyncio.shield(future), seconds)
        except TimeoutError:
            return None
        finally:
            self._outcomes.pop(stored.id, None)

    async def run(self) -> None:
        """Look after pending alerts until cancelled, then finish the handing over that has begun."""
        begin = asyncio.create_task(self._begin_with_temporal())
        try:
            await self._refill(older_than=timedelta())
            self._looked = True
            while True:
                self._look.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), TICK)
                await self._refill(older_than=OURS)
        finally:
            self._stopping = True
            begin.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _begin_with_temporal(self) -> None:
        await self._connection.client()
        self._pump()

    async def _refill(self, *, older_than: timedelta) -> None:
        try:
            await self._settling.remember(self._loaded)
            ids = await asyncio.to_thread(deliveries.pending_ids, self._store, HELD)
            unknown = [id for id in ids if id not in self._lanes]
            pending = await asyncio.to_thread(deliveries.load_pending, self._store, unknown)
        except StoreUnavailable as error:
            logger(__name__).warning("pending alerts cannot be read", reason=str(error), again_in=TICK)
            return
        except Exception:  # noqa: BLE001 -- a row that cannot be read must not keep the others from being handed over
            logger(__name__).exception("pending alerts cannot be understood", again_in=TICK)
            return
        self._more_in_store = len(ids) == HELD
        now = datetime.now(UTC)
        # What seems to come from the future was taken in before the clock was set back, and must not wait for it.
        settled = [stored for stored in pending if abs(now - stored.received_at) >= older_than]
        self._take_in(settled, suspect=True)
        self._pump()

    def _take_in(self, alerts: Sequence[StoredAlert], *, suspect: bool) -> None:
        unrouted: list[StoredAlert] = []
        trace = traces.get_current()
        for stored in alerts:
            if stored.id in self._lanes:
                continue
            if len(self._lanes) >= HELD + (HELD_FOR_CRITICAL if stored.alert.severity is Severity.CRITICAL else 0):
                self._more_in_store = True
                continue
            key = self._key(stored.alert)
            if key is None:
                unrouted.append(stored)
                continue
            self._lanes.add(key, stored, suspect=suspect)
            if not suspect:
                self._traces.setdefault(key, trace)
        if unrouted:
            self._spawn(self._leave_unrouted(unrouted))

    def _key(self, alert: Alert) -> str | None:
        """The correlation key; none for an alert without a place. Asked once for each alert of a storm."""
        if alert.source == API:  # what an application asks for is its own
            return correlation(alert, self._loaded.catalog)
        place = (alert.region, alert.service)
        if place not in self._keys and has_place(alert.service, alert.region, self._loaded.catalog):
            self._keys[place] = correlation(alert, self._loaded.catalog)
        return self._keys.get(place)

    async def _leave_unrouted(self, alerts: Sequence[StoredAlert]) -> None:
        reasons = await asyncio.to_thread(_reasons, alerts, self._loaded.catalog)
        try:
            for reason, misplaced_ones in reasons.items():
                await self._settling.unrouted(misplaced_ones, reason)
        except StoreUnavailable as error:  # they stay pending, and the next look finds them
            logger(__name__).warning("unrouted alerts stay pending", alerts=len(alerts), reason=str(error))

    def _pump(self) -> None:
        """Begin to hand over whatever may be begun now."""
        client = self._connection.now
        while client and not self._away and not self._stopping:
            lane = self._lanes.take(self._admits)
            if lane is None:
                piled_up = self._handing.total() > 0 or self._more_in_store or not self._looked
                self._in_order = self._in_order and piled_up
                break
            self._handing[lane.urgency is Severity.CRITICAL] += 1
            self._spawn(self._work(client, lane, lane.urgency))
        if self._more_in_store and len(self._lanes) < HELD // 2:
            self._more_in_store = False
            self._look.set()

    def _admits(self, urgency: Severity) -> bool:
        """Deliveries are made durable first: while senders wait, nothing is begun but what is critical."""
        critical = urgency is Severity.CRITICAL
        if not critical and (self._writer.behind or (self._in_order and self._handing[True])):
            return False
        return self._handing[critical] < (1 if self._in_order else AT_ONCE)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, client: Client, lane: Lane, urgency: Severity) -> None:
        token = traces.attach(self._traces.pop(lane.key, Context()))
        try:
            with about(workflow=lane.key):
                await self._hand_over(client, lane)
        finally:
            traces.detach(token)
            self._handing[urgency is Severity.CRITICAL] -= 1
            self._pump()

    async def _hand_over(self, client: Client, lane: Lane) -> None:
        try:
            await self._settling.remember(self._loaded)
            parts = await hand_over(client, lane.key, lane.in_order, self._beginning, suspect=lane.suspect)
            await self._note(lane, parts)
            for part in parts:  # only now: whoever hears of an incident may ask for it at once
                self._tell(part)
        except Unknown as error:
            self._wait_for_temporal(str(error))
            self._put_back(lane)
        except RPCError as error:
            if error.status in AWAY:
                # A server that is only slow, as in a storm, was not away: nothing has to be begun in its order.
                self._in_order = self._in_order or error.status is RPCStatusCode.UNAVAILABLE
                self._wait_for_temporal(error.message)
                self._put_back(lane)
            else:
                self._set_aside(lane, error, LONGEST_ASIDE)
        except StoreUnavailable as error:  # like every lane's, and over for all of them at once
            self._set_aside(lane, error, LONGEST_PAUSE)
        except Exception as error:  # noqa: BLE001 -- one lane's trouble, whatever it is, must not stop the others
            self._set_aside(lane, error, LONGEST_ASIDE)
        else:
            self._pause = FIRST_PAUSE
            self._lanes.done(lane)

    def _opening(self, alerts: Sequence[StoredAlert]) -> IncidentStart:
        return opening(new_incident_id(), alerts, self._loaded)

    def _tell(self, part: Handed) -> None:
        for stored in part.alerts:
            future = self._outcomes.get(stored.id)
            if future and not future.done():
                future.set_result(part)

    async def _note(self, lane: Lane, parts: Sequence[Handed]) -> None:
        if lane.urgency is Severity.CRITICAL and any(part.opened for part in parts) and not self._in_order:
            await asyncio.sleep(PROTECTING)
        for part in parts:
            with about(incident=part.incident):
                result = "opened" if part.opened else "joined" if part.incident else "ignored"
                logger(__name__).info("alerts handed over", result=result, alerts=len(part.alerts), reason=part.reason)
        await self._settling.handed(parts, first=lane.urgency is Severity.CRITICAL)

    def _wait_for_temporal(self, reason: str) -> None:
        if not self._away:
            self._away = True
            logger(__name__).warning("temporal away", reason=reason, again_in=self._pause)
            asyncio.get_running_loop().call_later(self._pause, self._try_again)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _try_again(self) -> None:
        self._away = False
        self._pump()

    def _set_aside(self, lane: Lane, error: Exception, longest: float) -> None:
        """Keep the lane busy for a while, so that nobody takes it; then it waits again."""
        delay = min(FIRST_PAUSE * 4**lane.attempts, longest)
        logger(__name__).error("alerts stay pending", reason=str(error), attempt=lane.attempts + 1, again_in=delay)
        asyncio.get_running_loop().call_later(delay, self._put_back, lane)

    def _put_back(self, lane: Lane) -> None:
        """Its next attempt belongs to the same trace."""
        self._traces[lane.key] = traces.get_current()
        self._lanes.put_back(lane)
        self._pump()


def _reasons(alerts: Sequence[StoredAlert], catalog: Catalog) -> dict[str, list[StoredAlert]]:
    """The alerts by the reason why they have no place. The nearest name takes a while to find: call it in a thread."""
    places: dict[tuple[str, str], list[StoredAlert]] = {}
    for stored in alerts:
        places.setdefault((stored.alert.service, stored.alert.region), []).append(stored)
    reasons: dict[str, list[StoredAlert]] = {}
    for (service, region), these in places.items():
        reasons.setdefault(f"{misplaced(service, region, catalog)} {CORRECT_LABELS}", []).extend(these)
    return reasons
