"""Whether a change of a service's fields may be made. Pure."""

from __future__ import annotations

import re

from models.receipt import Fields, Value
from workers.mesh import routing
from workers.mesh.errors import Invalid

_NAME = re.compile(r"(weight|drain|mirror)/[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FIELDS = "weight/<release>, drain/<release> and mirror/<release>"


def check(service: str, fields: Fields, after: Fields) -> None:
    """Check the touched *fields* and the state *after* them. Raises :class:`Invalid` with the cure."""
    if not fields:
        raise Invalid(f"the change names no field; send {_FIELDS}")
    for name, value in fields.items():
        _check_field(name, value)
    stated = {n.removeprefix(routing.WEIGHT): int(v or 0) for n, v in after.items() if n.startswith(routing.WEIGHT)}
    if stated and sum(stated.values()) not in (0, 100):
        listed = ", ".join(f"{release} {weight}" for release, weight in sorted(stated.items()))
        raise Invalid(f"the weights of {service} would be {listed}: send all that change, so that they sum to 100 or 0")
    drains = set(routing.draining(after))
    for release in drains & _touched(fields, routing.DRAIN):
        if stated.get(release):
            raise Invalid(
                f"{release} of {service} still has a weight of {stated[release]}: route it to 0 before the drain"
            )
    for release in drains & routing.mirrored(after).keys() & _touched(fields, routing.DRAIN, routing.MIRROR):
        raise Invalid(
            f"{release} of {service} would drain while copies of requests go to it: stop the copies before the drain, "
            "and admit it again before the copies"
        )


def raised(fields: Fields, before: Fields) -> frozenset[str]:
    """The releases that get a share or copies and had none: they need somebody to answer."""
    return frozenset(
        name.partition("/")[2]
        for name, value in fields.items()
        if name.startswith((routing.WEIGHT, routing.MIRROR)) and value and not before.get(name)
    )


def _touched(fields: Fields, *kinds: str) -> set[str]:
    return {name.partition("/")[2] for name in fields if name.startswith(kinds)}


def _check_field(name: str, value: Value) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name!r} is no field of a mesh resource; there are {_FIELDS}")
    if value is None:
        return
    if name.startswith(routing.DRAIN):
        if not isinstance(value, bool):
            raise Invalid(f"{name} is true, false or null, not {value!r}")
        return
    least = 1 if name.startswith(routing.MIRROR) else 0
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 100:
        raise Invalid(f"{name} is a whole number from {least} to 100 or null, not {value!r}")
