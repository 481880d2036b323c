"""One run of the demo as a command: its folder, its view, its report, and a clean end however it is asked for."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import yaml
from rich.console import Console

import deploy.demo
from models.base import SternwayError
from workers.local.agent.stop import stop_everything
from workers.local.demo.report import Report, as_json, make_report, render
from workers.local.demo.scenario import GOOD, SERVICE, Run, play
from workers.local.demo.stack import REGIONS, Stack
from workers.local.demo.story import Story
from workers.local.demo.view import shown
from workers.local.processes import sweep

INTERRUPTED = 130


def run(fault: str, rate: float, protect: bool, keep: bool, folder: Path, json: bool) -> int:
    """Play the demo in *folder*; the exit status. Whatever happens, everything that was started is stopped.

    *keep*: not before Ctrl-C, so that the links of the report can be followed.
    """
    story = Story()
    story.reach("started", time.time())
    report: Report | None = None
    with _alone_in(folder.absolute()) as own:
        stack = Stack(own, _catalog(own, protect), story.say)
        try:
            try:
                asyncio.run(_watched(Run(fault, rate), stack, story, json))
            except SternwayError as error:
                story.fail(str(error))
                print(f"sternway demo: {error}", file=sys.stderr)
            for number in (signal.SIGTERM, signal.SIGHUP):  # the loop that listened to them has ended
                signal.signal(number, signal.default_int_handler)
            report = make_report(
                story, fault=fault, service=SERVICE, target=GOOD, regions=tuple(REGIONS), at=time.time()
            )
            if keep:
                _show(report, json)
                said = f"everything keeps running until Ctrl-C; for sternway incidents: . {stack.write_operator_file()}"
                print(said, file=sys.stderr, flush=True)
                signal.pause()
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("stopping what was started", file=sys.stderr)
        finally:
            _deaf()
            stack.stop()
    if report is None:
        return INTERRUPTED
    if not keep:
        _show(report, json)
    return 0 if report.healthy else 1


def _show(report: Report, json: bool) -> None:
    if json:
        print(as_json(report), flush=True)
    else:
        Console().print(render(report))


async def _watched(run: Run, stack: Stack, story: Story, plain: bool) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 -- this is a coroutine of a task
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with shown(story, f"payments v2 with the fault {run.fault}", plain=plain) as redraw:
        await play(run, stack, story, redraw)


@contextmanager
def _alone_in(folder: Path) -> Generator[Path]:
    """An empty folder for this run; what an earlier one left is ended first. Raises SternwayError while one runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SternwayError(f"another demo runs in {folder}; wait for it, or give another --folder") from None
        own = folder / "run"
        if left := sweep(own):
            print(f"ended what an earlier run had left: {', '.join(left)}", file=sys.stderr)
        stop_everything(own / "agent", patience=2)
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        yield own


def _deaf() -> None:
    """Stopping is bounded in time by itself, and what is left after it is to tell how it went."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _catalog(folder: Path, protect: bool) -> Path:
    """The demo's catalog; for a control run a copy whose policies approve no protection."""
    shipped = Path(deploy.demo.__path__[0]) / "catalog.yaml"
    if protect:
        return shipped
    catalog = yaml.safe_load(shipped.read_text())
    for policy in catalog["policies"].values():
        policy.pop("protect", None)
    control = folder / "catalog.yaml"
    control.write_text(yaml.safe_dump(catalog))
    return control
