"""Several processes write the journal at once: no chain breaks and no entry is lost."""

from __future__ import annotations

import subprocess
import sys

from activities.analytics.store import Store, audit, incidents, journal

PROCESSES = 3
BATCHES = 8

WRITER = """
import sys
from activities.analytics.store import StoreUnavailable, journal, open_store
from tests.store.journal_entries import ended, entry
url, source, own = sys.argv[1:]
store = open_store(url)
print("ready", flush=True)
sys.stdin.readline()
for batch in range(8):
    numbers = range(batch * 3, batch * 3 + 3)
    shared = [entry("operator", n, incident="shared", source=source, by=source) for n in numbers]
    entries = shared + [entry("operator", n, incident=own, source=source, by=source) for n in numbers]
    while True:
        try:
            journal.append(store, entries)
            break
        except StoreUnavailable:
            continue
journal.append(store, [ended(100, incident=own)])
"""


def test_processes_that_write_to_the_same_and_to_other_incidents(store: Store, store_url: str) -> None:
    commands = [[sys.executable, "-c", WRITER, store_url, f"source-{n}", f"own-{n}"] for n in range(PROCESSES)]
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for command in commands
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:  # all at once, when each has opened its store
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(120) for writer in writers] == [0] * PROCESSES

    found = audit.verify(store)
    assert found.broken == ()
    assert (found.incidents, found.anchors) == (1 + PROCESSES, PROCESSES)
    shared = journal.events(store, "shared")
    for number in range(PROCESSES):
        mine = [event.source_seq for event in shared if event.source == f"source-{number}"]
        assert mine == list(range(BATCHES * 3))
        assert len(journal.events(store, f"own-{number}")) == BATCHES * 3 + 1


def test_the_same_batch_sent_by_two_processes_is_recorded_once(store: Store, store_url: str) -> None:
    code = """
import sys
from activities.analytics.store import StoreUnavailable, journal, open_store
from tests.store.journal_entries import entry, started
store = open_store(sys.argv[1])
alerts = [entry("alerts", n, count=1) for n in range(2, 40)]
while True:
    try:
        print(journal.append(store, [started(1), *alerts]))
        break
    except StoreUnavailable:
        continue
"""
    senders = [
        subprocess.Popen([sys.executable, "-c", code, store_url], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert sorted(int(sender.communicate()[0]) for sender in senders) == [0, 39]
    found = incidents.incident(store, "I")
    assert found is not None
    assert found.alerts == 2 + 38
    assert audit.verify(store).broken == ()
