"""The breaker module's activities: take, renew and release the protective lease that the policy approves."""

from __future__ import annotations

from temporalio import activity

from activities.breaker import contract
from activities.directory import Directory
from models.catalog import FallbackAction, LimitAction, Protection, RetriesAction, WeightAction
from models.lease import Lease, LeaseRequest
from models.scope import Scope


class BreakerActivities:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @activity.defn(name=contract.PROTECT.name)
    async def protect(self, scope: Scope) -> contract.Protected:
        """The policy is read from the catalog and never from the caller: whoever starts incidents cannot widen it."""
        policy = (await self._directory.catalog(scope)).policy_of(scope.service)
        if policy.protect is None:
            return contract.Protected(lease=None, seconds=policy.lease, sentence="the policy approves no protection")
        protector = await self._directory.protector(scope)
        lease = await protector.take(
            LeaseRequest(
                id=contract.lease_id(scope.incident),
                owner=scope.incident,
                service=scope.service,
                protection=policy.protect,
                seconds=policy.lease,
            )
        )
        missing = f", but {', '.join(lease.pending)} did not acknowledge it" if lease.pending else ""
        return contract.Protected(
            lease=lease, seconds=policy.lease, sentence=f"{describe(policy.protect, scope.service)}{missing}"
        )

    @activity.defn(name=contract.RENEW.name)
    async def renew(self, call: contract.LeaseCall) -> Lease:
        policy = (await self._directory.catalog(call)).policy_of(call.service)
        protector = await self._directory.protector(call)
        return await protector.renew(call.lease, policy.lease)

    @activity.defn(name=contract.RELEASE.name)
    async def release(self, call: contract.LeaseCall) -> Lease:
        protector = await self._directory.protector(call)
        return await protector.release(call.lease)


def describe(protection: Protection, service: str) -> str:
    """The protective action, for people."""
    match protection:
        case LimitAction(max_requests=limit):
            return f"at most {limit} requests are in flight to each release of {service}"
        case WeightAction(max_percent=percent):
            return f"the newest release of {service} gets at most {percent}% of the requests"
        case FallbackAction(share=share):
            return f"{share}% of the requests to {service} go to its fallback"
        case RetriesAction(max_percent=percent):
            return f"at most {percent}% of the requests in flight to each release of {service} are retries"
