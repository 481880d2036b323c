"""Lines are read whole and once, whatever the writer is in the middle of."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workers.local.demo.tail import Tail


def test_a_file_that_is_not_there_yet_has_no_lines(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "load.jsonl")
    assert tail.lines() == []
    (tmp_path / "load.jsonl").write_text("one\n")
    assert tail.lines() == ["one"]
    assert tail.lines() == []


def test_a_line_that_is_cut_off_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    path.write_text('{"a": 1}\n{"b"')
    tail = Tail(path)
    assert tail.lines() == ['{"a": 1}']
    with path.open("a") as file:
        file.write(": 2}\n")
    assert tail.lines() == ['{"b": 2}']


@given(st.lists(st.text(alphabet="aé€ ", max_size=5), max_size=8), st.data())
def test_however_the_writes_are_cut_every_line_is_read_once(lines: list[str], data: st.DataObject) -> None:
    whole = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        tail, read = Tail(path), list[str]()
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            with path.open("ab") as file:
                file.write(whole[begin:end])
            read += tail.lines()
    assert read == lines
