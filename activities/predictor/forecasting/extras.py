"""Packages that are not always there, imported when they are first asked for."""

from __future__ import annotations

import importlib
from typing import Any

from activities.predictor.forecasting.series import ForecasterMissing


def imported(module: str) -> Any:
    """A module that comes with the extra ``forecast``; none of these has types. Raises :class:`ForecasterMissing`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ForecasterMissing(
            f"{module.partition('.')[0]} is not installed ({error}); install sternway[forecast], or leave its "
            "forecaster out of the candidates"
        ) from None
