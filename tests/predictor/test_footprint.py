"""What a pool that predicts has to install and to load: not the libraries that models are learned with."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RUNTIME = ("numpy", "onnxruntime")
"""What the pool needs beside the rest of Sternway."""
LARGEST = 400 * 10**6
LEARNING = ("lightgbm", "onnx", "onnxmltools", "pandas", "scipy", "skl2onnx", "sklearn", "statsmodels", "xgboost")
SERVING = """
import json, sys, time
began = time.process_time()
import activities.predictor.serving.predictor
print(json.dumps({"seconds": time.process_time() - began, "modules": sorted(sys.modules)}))
"""
"""Seconds of the processor: what else a machine does is no part of it."""


def loaded() -> dict[str, object]:
    """What a process has done after it has loaded the serving path; the best of three."""
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", SERVING], check=True, capture_output=True).stdout)
        for _ in range(3)
    ]
    return min(runs, key=lambda run: run["seconds"])


def test_serving_path_loads_within_a_second_and_nothing_that_learns() -> None:
    found = loaded()
    assert isinstance(found["seconds"], float) and found["seconds"] < 1.0
    modules = found["modules"]
    assert isinstance(modules, list) and "onnxruntime" in modules
    assert not {name.partition(".")[0] for name in modules} & set(LEARNING)


def required(names: tuple[str, ...]) -> set[str]:
    """The distributions that installing *names* brings here, each with the extras that are asked of it."""
    found: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for requirement in map(Requirement, metadata.distribution(name).requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), more) for more in ("", *requirement.extras)]
    return {name for name, _ in found}


def size(name: str) -> int:
    """Bytes of the files that a distribution has installed."""
    distribution = metadata.distribution(name)
    paths = [Path(str(distribution.locate_file(file))) for file in distribution.files or []]
    return sum(path.stat().st_size for path in paths if path.is_file())


def test_runtime_installs_in_under_400_megabytes() -> None:
    names = required(("sternway", *RUNTIME))
    assert {*RUNTIME, "pydantic", "grpcio", "temporalio", "psycopg-binary"} <= names
    sizes = {name: size(name) for name in names}
    assert sizes["numpy"] > 10**7 and sizes["onnxruntime"] > 10**7, "they are measured"
    assert sum(sizes.values()) < LARGEST, sorted(sizes.items(), key=lambda item: -item[1])[:10]
