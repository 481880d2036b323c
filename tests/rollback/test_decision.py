"""After a stage has failed, measured health decides, and nothing but measured health leads back to the bad release."""

from __future__ import annotations

import pytest

from activities.rollback.decision import decide
from models.verdict import Finding, Verdict

PASS, FAIL, UNKNOWN = Finding.PASS, Finding.FAIL, Finding.INCONCLUSIVE


@pytest.mark.parametrize(
    ("before", "target", "action", "why"),
    [
        (PASS, PASS, "hold", "v1 serves well"),
        (FAIL, PASS, "hold", "v1 serves well"),
        (UNKNOWN, PASS, "hold", "v1 serves well"),
        (PASS, FAIL, "compensate", "v2 was healthy before the change"),
        (PASS, UNKNOWN, "compensate", "v2 was healthy before the change"),
        (FAIL, FAIL, "hold", "going back to v2 is not safe (seen before)"),
        (FAIL, UNKNOWN, "hold", "going back to v2 is not safe (seen before)"),
        (UNKNOWN, FAIL, "hold", "going back to v2 is not safe (seen before)"),
        (UNKNOWN, UNKNOWN, "hold", "going back to v2 is not safe (seen before)"),
    ],
)
def test_the_decision(before: Finding, target: Finding, action: str, why: str) -> None:
    decision = decide(Verdict(finding=before, sentence="seen before"), target, "v2", "v1")
    assert decision.action == action
    assert why in decision.sentence
