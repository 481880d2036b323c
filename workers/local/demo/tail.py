"""Reading a file of lines while another process writes it: whole lines only, each once."""

from __future__ import annotations

from pathlib import Path


class Tail:
    """Remembers how far it has read. A line that is still being written is left for the next call."""

    def __init__(self, path: Path) -> None:
        """*path* need not exist yet."""
        self._path = path
        self._offset = 0

    def lines(self) -> list[str]:
        """The lines that were completed since the last call, without their ends."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()
