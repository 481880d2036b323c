"""Each example of the library's README runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "guard/README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.partition("\n")[0] for example in EXAMPLES])
def test_it_runs(example: str) -> None:
    exec(compile(example, str(README), "exec"), {"__name__": "readme"})  # noqa: S102 -- it is ours


def test_there_is_one_for_each_way_in() -> None:
    assert len(EXAMPLES) == 9
