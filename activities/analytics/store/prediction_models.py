"""The versions of the model that predicts: at most one is current, and the one before it is a way back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlmodel import Session, col

from activities.analytics.store.engine import Store, serialise
from models.base import SternwayError
from models.prediction import Model, ModelStatus
from models.tables import ModelRow, metadata

KEPT = 5
"""Versions that never predicted, or do so no more for a reason: the newest that are kept."""

_BRIEF = [metadata.tables["prediction_models"].c[name] for name in Model.model_fields]
_NEWEST_FORMER = (
    select(col(ModelRow.version))
    .where(col(ModelRow.status) == ModelStatus.FORMER)
    .order_by(col(ModelRow.since).desc(), col(ModelRow.version).desc())
    .limit(1)
    .scalar_subquery()
)


def add(store: Store, digest: str, figures: Mapping[str, Any], bundle: bytes, because: str, now: datetime) -> Model:
    """Keep a challenger. One that was learned from the very same data is kept once, and of those that were not taken,
    or given up before anyone decided, only the newest are kept."""
    with store.write_in_background() as connection, Session(connection) as session:
        _serialise(connection)
        same = select(ModelRow).where(col(ModelRow.training_digest) == digest, col(ModelRow.bundle) == bundle)
        row = session.scalars(same).first()
        if row is None:
            row = ModelRow(
                created_at=now,
                training_digest=digest,
                status=ModelStatus.CHALLENGER,
                because=because,
                since=now,
                figures=dict(figures),
                bundle=bundle,
            )
            session.add(row)
            session.flush()
            unwanted = col(ModelRow.status).in_((ModelStatus.REFUSED, ModelStatus.CHALLENGER))
            for old in session.scalars(
                select(ModelRow).where(unwanted).order_by(col(ModelRow.version).desc()).offset(KEPT)
            ):
                session.delete(old)
            session.flush()
        return _model(row)


def promote(store: Store, version: int, because: str, now: datetime) -> Model:
    """Let *version* predict; the one that did so far becomes a way back. One that is current stays as it is."""
    with store.write_in_background() as connection, Session(connection) as session:
        _serialise(connection)
        row = _row(session, version)
        if row.status is not ModelStatus.CURRENT:
            for current in session.scalars(select(ModelRow).where(col(ModelRow.status) == ModelStatus.CURRENT)):
                _become(session, current, ModelStatus.FORMER, f"version {version} took its place", now)
            _become(session, row, ModelStatus.CURRENT, because, now)
        return _model(row)


def refuse(store: Store, version: int, because: str, now: datetime) -> Model:
    """Note why *version* does not predict. Where it is current, the newest former one takes its place again, if any."""
    with store.write_in_background() as connection, Session(connection) as session:
        _serialise(connection)
        row = _row(session, version)
        was_current = row.status is ModelStatus.CURRENT
        _become(session, row, ModelStatus.REFUSED, because, now)
        back = session.scalars(select(ModelRow).where(col(ModelRow.version) == _NEWEST_FORMER)).first()
        if was_current and back is not None:
            _become(session, back, ModelStatus.CURRENT, f"version {version} was refused: {because}", now)
        return _model(row)


def way_back(store: Store) -> Model | None:
    """The version that predicts again where the current one is refused."""
    query = select(*_BRIEF).where(col(ModelRow.version) == _NEWEST_FORMER)
    with store.read() as connection:
        found = connection.execute(query).first()
        return Model.model_validate(found, from_attributes=True) if found else None


def current(store: Store) -> Model | None:
    """The version that predicts."""
    query = select(*_BRIEF).where(col(ModelRow.status) == ModelStatus.CURRENT)
    with store.read() as connection:
        found = connection.execute(query).first()
        return Model.model_validate(found, from_attributes=True) if found else None


def models(store: Store, limit: int = 50) -> list[Model]:
    """The newest first."""
    query = select(*_BRIEF).order_by(col(ModelRow.version).desc()).limit(limit)
    with store.read() as connection:
        return [Model.model_validate(row, from_attributes=True) for row in connection.execute(query)]


def bundle(store: Store, version: int) -> bytes:
    """What serving *version* takes. Raises :class:`~models.base.SternwayError` where there is no such version."""
    with store.read() as connection, Session(connection) as session:
        return _row(session, version).bundle


def _row(session: Session, version: int) -> ModelRow:
    row = session.get(ModelRow, version)
    if row is None:
        raise SternwayError(f"there is no version {version} of the model; see `sternway predict models`")
    return row


def _become(session: Session, row: ModelRow, status: ModelStatus, because: str, now: datetime) -> None:
    row.status, row.because, row.since = status, because, now
    session.add(row)
    session.flush()


def _serialise(connection: Connection) -> None:
    serialise(connection, "sternway:prediction-models")


def _model(row: ModelRow) -> Model:
    return Model.model_validate({field: getattr(row, field) for field in Model.model_fields})
