"""An edit of a workflow is noticed, whether or not a history happens to cover it."""

from __future__ import annotations

import json

from tests.determinism.fingerprint import BASELINE, fingerprint, fingerprints


def test_the_workflows_are_those_whose_histories_were_replayed() -> None:
    accepted: dict[str, str] = json.loads(BASELINE.read_text())
    now = fingerprints()
    moved = sorted(name for name in accepted.keys() | now.keys() if accepted.get(name) != now.get(name))
    assert not moved, (
        f"{', '.join(moved)} changed: an incident that runs while this is deployed may not be able to go on. "
        "Run `pytest tests/determinism/test_replay.py`. If every history replays, accept the change with "
        "`python -m tests.determinism.fingerprint --write`. If one does not, keep the old order behind "
        "`workflow.patched(...)`; only before the first release may you record anew, with "
        "`python -m tests.determinism.record`"
    )


SOURCE = """
def f():
    a()
    b()
"""


def test_words_and_layout_make_no_difference() -> None:
    assert fingerprint(SOURCE) == fingerprint('"""A."""\ndef f():\n    """B."""\n    a()  # c\n\n    b()\n')


def test_the_order_of_two_calls_makes_a_difference() -> None:
    assert fingerprint(SOURCE) != fingerprint("def f():\n    b()\n    a()\n")
