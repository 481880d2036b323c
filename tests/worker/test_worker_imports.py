"""What every process loads costs memory in each of them: packages of learned models are not among it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEARNED = {"numpy", "scipy", "pandas", "sklearn", "xgboost", "lightgbm", "onnxruntime", "networkx"}


@pytest.mark.parametrize(
    "modules",
    ["workers.pool.process", "workers.gateway.server, workers.gateway.registered", "workers.mesh.process"],
    ids=["pool", "gateway", "mesh"],
)
def test_a_process_loads_no_learned_models(modules: str) -> None:
    program = f"import sys, {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert modules.partition(",")[0] in loaded
    assert not LEARNED & set(loaded)
