"""A process killed with -9 in the middle of a change has made all of it or none of it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.receipt import Outcome
from workers.ledger import Ledger

CHANGES = """
import sys
from datetime import UTC, datetime
from models.identity import Key
from workers.ledger import Ledger

ledger = Ledger(sys.argv[1])
number = ledger.read("eu/payments").generation
while True:
    number += 1
    key = str(Key(incident="I", step=f"step-{number}"))
    with ledger.transaction() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER)")
        connection.execute("INSERT INTO rows VALUES (?)", (number,))
        ledger.change(key, "eu/payments", {"a": number, "b": number}, None, datetime.now(UTC))
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_instant_it_has_made_whole_changes_only(tmp_path: Path, seed: int) -> None:
    file = tmp_path / "ledger.db"
    acknowledged = 0
    for instant in random.Random(seed).sample(range(1, 40), 3):
        worker = subprocess.Popen(
            [sys.executable, "-c", CHANGES, str(file)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        assert worker.stdout is not None
        for _ in range(instant):
            acknowledged = int(worker.stdout.readline())
        time.sleep(instant / 20_000)  # somewhere inside the next change, not right after its answer
        worker.kill()
        acknowledged = int((worker.stdout.read().split() or [acknowledged])[-1])
        worker.wait()
    ledger = Ledger(file)
    snapshot, receipts = ledger.read("eu/payments"), ledger.receipts()
    rows = ledger.connection.execute("SELECT number FROM rows ORDER BY rowid").fetchall()
    ledger.close()
    assert snapshot.generation >= acknowledged > 0
    assert snapshot.state == {"a": snapshot.generation, "b": snapshot.generation}
    assert [r.generation for r in receipts] == list(range(1, snapshot.generation + 1))
    assert {r.outcome for r in receipts} == {Outcome.APPLIED}
    assert [row[0] for row in rows] == [r.generation for r in receipts]
