"""Search attributes: how incidents are found in the Temporal UI. All of them must be registered with the server."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import workflow
from temporalio.common import SearchAttributeKey

Keyword = SearchAttributeKey[str]

SERVICE: Keyword = SearchAttributeKey.for_keyword("SternwayService")
REGION: Keyword = SearchAttributeKey.for_keyword("SternwayRegion")
SEVERITY: Keyword = SearchAttributeKey.for_keyword("SternwaySeverity")
PHASE: Keyword = SearchAttributeKey.for_keyword("SternwayPhase")
STRATEGY: Keyword = SearchAttributeKey.for_keyword("SternwayStrategy")
RELEASE: Keyword = SearchAttributeKey.for_keyword("SternwayRelease")

SEARCH_ATTRIBUTES = (SERVICE, REGION, SEVERITY, PHASE, STRATEGY, RELEASE)


def tag(values: Mapping[Keyword, str]) -> None:
    """Set these search attributes on the current workflow."""
    updates = [key.value_set(value) for key, value in values.items()]
    workflow.upsert_search_attributes(updates)  # pyright: ignore[reportUnknownMemberType] -- untyped in the SDK
