"""``python -m workers.cli``: the ``sternway`` command, for processes that start each other."""

from workers.cli.main import run

run()
