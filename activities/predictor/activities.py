"""The predictor's activities."""

from __future__ import annotations

from temporalio import activity

from activities.directory import Directory
from activities.predictor import contract, projection
from models.assessment import Projection


class PredictorActivities:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @activity.defn(name=contract.PROJECT.name)
    async def project(self, request: contract.ProjectRequest) -> Projection:
        catalog = await self._directory.catalog(request)
        readings = [request.observation.window] if request.observation else []
        return projection.project(catalog, request.service, readings, request.impact)
