"""A delivery is durable with all its alerts or not at all, and its alerts wait until somebody has them."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from activities.analytics.store import Store, catalogs, deliveries, open_store
from models.alert import Alert, AlertReference, AlertState, AlertStatus, Severity

RECEIVED = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


def alert(fingerprint: str = "f", severity: str = "critical", **changed: object) -> Alert:
    return Alert.model_validate(
        {
            "source": "alertmanager",
            "fingerprint": fingerprint,
            "status": "firing",
            "severity": severity,
            "service": "payments",
            "region": "eu",
            "group": '{}:{alertname="Burn"}',
            "name": "Burn",
            "summary": "it burns",
            "starts_at": RECEIVED - timedelta(seconds=30),
            "labels": {"team": "money"},
        }
        | changed
    )


def persist(store: Store, digest: str, *alerts: Alert) -> deliveries.Persisted:
    return deliveries.persist(store, deliveries.prepare(store, "alertmanager", b"body", digest, RECEIVED, alerts))


def test_an_alert_comes_back_as_it_was_given(store: Store) -> None:
    given = alert()
    persisted = persist(store, "d", given)
    (stored,) = deliveries.pending(store)
    assert (stored.id, stored.delivery_id) == (persisted.alert_ids[0], persisted.delivery_id)
    assert (stored.alert, stored.received_at, stored.state) == (given, RECEIVED, AlertState.PENDING)
    assert stored.reference() == AlertReference(
        id=stored.id,
        fingerprint="f",
        status=AlertStatus.FIRING,
        severity=Severity.CRITICAL,
        starts_at=given.starts_at,
        received_at=RECEIVED,
        name="Burn",
        summary="it burns",
    )


def test_ids_are_in_the_order_of_the_alerts(store: Store) -> None:
    persisted = persist(store, "d", *(alert(f"f{number}") for number in range(50)))
    by_id = {stored.id: stored.alert.fingerprint for stored in deliveries.pending(store)}
    assert [by_id[id] for id in persisted.alert_ids] == [f"f{number}" for number in range(50)]


def test_critical_alerts_are_pending_first_and_then_the_oldest(store: Store) -> None:
    persist(store, "1", alert("info", "info"), alert("warning", "warning"))
    persist(store, "2", alert("critical 1"), alert("critical 2"))
    order = ["critical 1", "critical 2", "warning", "info"]
    assert [stored.alert.fingerprint for stored in deliveries.pending(store)] == order
    assert [stored.alert.fingerprint for stored in deliveries.pending(store, limit=3)] == order[:3]


def test_a_repeat_is_a_duplicate_while_one_of_its_alerts_is_pending(store: Store) -> None:
    first = persist(store, "d", alert("a"), alert("b"))
    deliveries.mark(store, first.alert_ids[:1], AlertState.IGNORED, reason="resolved already")
    again = persist(store, "d", alert("a"), alert("b"))
    assert again == first.model_copy(update={"duplicate": True})
    assert len(deliveries.pending(store)) == 1


def test_a_repeat_after_that_is_stored_anew(store: Store) -> None:
    first = persist(store, "d", alert())
    deliveries.mark(store, first.alert_ids, AlertState.STARTED, incident="I")
    again = persist(store, "d", alert())
    assert not again.duplicate
    assert again.delivery_id != first.delivery_id
    assert [stored.id for stored in deliveries.pending(store)] == list(again.alert_ids)


def test_the_same_digest_of_another_source_is_another_delivery(store: Store) -> None:
    persist(store, "d", alert())
    other = deliveries.persist(store, deliveries.prepare(store, "api", b"body", "d", RECEIVED, [alert(source="api")]))
    assert not other.duplicate


def test_several_that_are_stored_together_get_what_each_would_have_got_alone(store: Store) -> None:
    def prepared(name: str, *fingerprints: str, source: str = "alertmanager") -> deliveries.Prepared:
        these = [alert(fingerprint, source=source) for fingerprint in fingerprints]
        return deliveries.prepare(store, source, name.encode(), name, RECEIVED, these)

    earlier = persist(store, "waits", alert("w"))
    several = [
        prepared("b", "b1", "b2", "b3"),
        prepared("waits", "w"),
        prepared("empty"),
        prepared("a", "a1"),
        prepared("a", "a1", source="api"),
        prepared("b", "b1", "b2", "b3"),
        prepared("empty"),
    ]
    kept = deliveries.persist_together(store, several)
    found = {stored.id: stored for stored in deliveries.pending(store)}
    told = [[found[id].alert.fingerprint for id in one.alert_ids] for one in kept]
    assert told == [["b1", "b2", "b3"], ["w"], [], ["a1"], ["a1"], ["b1", "b2", "b3"], []]
    assert all(found[id].delivery_id == one.delivery_id for one in kept for id in one.alert_ids)
    assert [one.duplicate for one in kept] == [False, True, False, False, False, True, False]
    assert (kept[1].delivery_id, kept[5].delivery_id) == (earlier.delivery_id, kept[0].delivery_id)
    assert len({one.delivery_id for one in kept}) == 6
    bodies = [stored.body for one in kept if (stored := deliveries.delivery(store, one.delivery_id))]
    assert bodies[0] == b"b"
    assert bodies[2:5] == [b"empty", b"a", b"a"]


def test_senders_that_repeat_themselves_at_once_are_stored_once(store: Store) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: persist(store, "d", alert()), range(8)))
    assert sorted(answer.duplicate for answer in answers) == [False] + [True] * 7
    assert len({answer.alert_ids for answer in answers}) == 1


def test_a_storm_in_one_delivery_is_stored_and_marked(store: Store) -> None:
    persisted = deliveries.persist(
        store,
        deliveries.prepare(
            store,
            "alertmanager",
            b"x" * 3_200_000,
            "storm",
            RECEIVED,
            [alert(f"f{number}") for number in range(10_000)],
        ),
    )
    assert len(set(persisted.alert_ids)) == 10_000
    deliveries.mark(store, persisted.alert_ids, AlertState.STARTED, incident="I")
    assert len(deliveries.pending(store)) == 0


def test_nothing_is_stored_of_a_delivery_that_breaks_a_rule(store: Store) -> None:
    nameless = alert("b").model_copy(update={"name": None})
    with pytest.raises(IntegrityError):
        persist(store, "d", alert("a"), nameless)
    assert len(deliveries.pending(store)) == 0
    assert not persist(store, "d", alert("a")).duplicate


def test_unrouted_alerts_stay_visible_with_their_reason(store: Store) -> None:
    persisted = persist(store, "d", alert(service="pyments"))
    deliveries.mark(store, persisted.alert_ids, AlertState.UNROUTED, reason="no service pyments")
    (found,) = deliveries.unrouted(store)
    assert (found.alert.service, found.reason, found.state) == ("pyments", "no service pyments", AlertState.UNROUTED)
    assert deliveries.pending(store) == []


def test_quarantine_keeps_the_body_and_no_secret(store: Store) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer s3cret", "ce-type": "alert", "X-Any": "?"}
    persisted = deliveries.persist(
        store, deliveries.prepare(store, "generic", b"\x00{", "d", RECEIVED, [], "not JSON " * 1_000, headers)
    )
    (found,) = deliveries.quarantined(store)
    assert (found.body, found.quarantine_reason) == (b"\x00{", "not JSON " * 1_000)
    assert found.headers == {"content-type": "application/json", "ce-type": "alert"}
    assert deliveries.delivery(store, persisted.delivery_id) == found
    assert deliveries.delivery(store, 999) is None


def test_counts_are_those_of_the_metrics(store: Store) -> None:
    assert deliveries.counts(store).pending[Severity.CRITICAL].age(RECEIVED) == timedelta()
    persist(store, "1", alert())
    lost = deliveries.persist(
        store, deliveries.prepare(store, "alertmanager", b"", "2", RECEIVED - timedelta(hours=1), [alert()])
    )
    deliveries.mark(store, lost.alert_ids, AlertState.UNROUTED)
    deliveries.persist(store, deliveries.prepare(store, "alertmanager", b"", "3", RECEIVED, [], "unreadable"))
    counts = deliveries.counts(store)
    assert (counts.unrouted[Severity.CRITICAL], counts.quarantined) == (1, 1)
    waiting = counts.pending[Severity.CRITICAL]
    assert (waiting.alerts, counts.pending[Severity.INFO].alerts) == (1, 0)
    assert waiting.age(RECEIVED + timedelta(seconds=7)) == timedelta(seconds=7)


def test_characters_that_a_database_refuses_are_replaced(store: Store) -> None:
    persist(store, "d", alert(summary="zero \0, half \ud800, whole \N{FIRE}", labels={"zero": "\0"}))
    (stored,) = deliveries.pending(store)
    assert stored.alert.summary.startswith("zero \N{REPLACEMENT CHARACTER}, half \N{REPLACEMENT CHARACTER}")
    assert stored.alert.summary.endswith("whole \N{FIRE}")
    assert stored.alert.labels == {"zero": "\0"}


def test_a_started_alert_needs_its_incident(store: Store) -> None:
    persisted = persist(store, "d", alert())
    with pytest.raises(ValueError, match="say which"):
        deliveries.mark(store, persisted.alert_ids, AlertState.STARTED)


def test_a_naive_time_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="needs its zone"):
        deliveries.persist(store, deliveries.prepare(store, "api", b"", "d", datetime(2026, 1, 1), []))  # noqa: DTZ001 -- the subject


def test_a_catalog_is_remembered_by_its_digest(store: Store) -> None:
    assert catalogs.recall(store, "abc") is None
    catalogs.remember(store, "abc", "version: 1\n")
    catalogs.remember(store, "abc", "version: 1\n")
    assert catalogs.recall(store, "abc") == "version: 1\n"


WRITER = """
import sys
from datetime import UTC, datetime
from activities.analytics.store import deliveries, open_store
from models.alert import Alert
store = open_store(sys.argv[1])
now = datetime.now(UTC)
alert = Alert(source="s", fingerprint="f", status="firing", severity="info", service="a", region="b", group="g",
              name="n", starts_at=now)
for number in range(100_000):
    prepared = deliveries.prepare(store, "s", b"", str(number), now, [alert])
    print(deliveries.persist(store, prepared).alert_ids[0], flush=True)
"""


def test_what_was_answered_is_there_after_the_writer_was_killed(store: Store, store_url: str) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, store_url], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    answered = [int(writer.stdout.readline()) for _ in range(30)]
    writer.kill()
    answered += [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait()
    opened = open_store(store_url)
    try:
        assert {stored.id for stored in deliveries.pending(opened, limit=100_000)} >= set(answered)
    finally:
        opened.close()


def test_alerts_that_are_put_back_wait_again_as_if_they_had_just_come(store: Store) -> None:
    theirs, ours = persist(store, "a", alert("a"), alert("b")), persist(store, "b", alert("c"))
    deliveries.mark(store, theirs.alert_ids, AlertState.STARTED, incident="01THEIRS")
    deliveries.mark(store, ours.alert_ids, AlertState.STARTED, incident="01OURS")
    later = RECEIVED + timedelta(hours=1)
    assert deliveries.put_back(store, "01THEIRS", later) == 2
    waiting = deliveries.pending(store)
    assert {(stored.id, stored.incident, stored.received_at) for stored in waiting} == {
        (id, None, later) for id in theirs.alert_ids
    }
    assert deliveries.put_back(store, "01THEIRS", later) == 0
