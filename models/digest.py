"""A short digest of a value: equal values have the same, whatever the order of their names."""

from __future__ import annotations

import hashlib
import json


def digest(value: object) -> str:
    """16 hexadecimal digits of SHA-256 over the canonical JSON of *value*."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
