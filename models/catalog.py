"""The catalog: what the user tells Sternway about regions, services, their value and how they may be protected.

Reading it from YAML, with the line in every error, is :mod:`models.catalog_file`'s work; here is what it means.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from models.base import Frozen, Name, Percent, Release
from models.intent import Tier

DAY: Final = 86_400
"""Seconds."""


class Level(StrEnum):
    """How much Sternway may do by itself."""

    ADVISE = "advise"
    """Assess, plan and report; change nothing."""
    PROTECT = "protect"
    """Take the protective lease of the policy, and trip its breakers, as well."""
    FULL = "full"
    """Execute the plan as well."""


class OnPoolLoss(StrEnum):
    """The declared answer to a region whose worker pool does not poll."""

    PEER = "peer"
    """The pool of one of the region's peers acts here."""
    HOLD = "hold"
    """The incident stops at a named place, and a person is needed."""


class Driver(Frozen):
    """How a module reaches one real system in one region."""

    kind: str
    """The driver's name: ``envoy``, ``kubernetes``, ``local``, ``prometheus``."""
    url: str
    """HTTP address of the control plane, the API server, the agent, or the source of the numbers."""
    proxies: tuple[str, ...] = ()
    """Mesh drivers: the proxies that are expected to acknowledge every change."""
    bind: str = "127.0.0.1"
    """Embedded mesh: the address on which this region's Envoy listens for callers."""
    namespace: Name = "default"
    """Kubernetes: where the region's Deployments are. A namespace of a cluster belongs to one region."""
    token_file: str | None = None
    """Kubernetes: the file with the bearer token, wherever pools and ``sternway undo`` run; it is read again when it
    was renewed. Default: no token is sent, as ``kubectl proxy`` wants it."""
    ca_file: str | None = None
    """Kubernetes: the file with the certificates that its ``https`` address is trusted by, in PEM. Default: those that
    Python trusts."""


class Region(Frozen):
    mesh: dict[Name, Driver] = {}
    """What routes the requests, by a name of your own choice."""
    platform: dict[Name, Driver] = {}
    """What runs the replicas."""
    telemetry: dict[Name, Driver] = {}
    """What counts requests, errors and latency."""
    on_pool_loss: OnPoolLoss = OnPoolLoss.HOLD
    """What happens to an incident here when the region's worker pool does not answer."""
    peers: tuple[Name, ...] = ()
    """Regions whose pools may act here when this region's own pool does not."""
    environments: tuple[str, ...] = ()
    """GitHub's deployment environments that stand for this region, beside the one that has its name."""


class Availability(Frozen):
    objective: Annotated[float, Field(gt=0, lt=100)]
    """Share of requests that must succeed, in percent."""


class Latency(Frozen):
    objective: Annotated[float, Field(gt=0, lt=100)]
    """Share of requests that must be faster than the threshold, in percent."""
    threshold_ms: Annotated[float, Field(gt=0)]
    """Milliseconds."""


class Slos(Frozen):
    availability: Availability
    """Requests that are answered without a server error."""
    latency: Latency | None = None
    """Requests that are answered fast enough."""


class BusinessValue(Frozen):
    """What a healthy service earns. Unknown is a value: the tier's default is used and labelled as such."""

    revenue_per_minute: Annotated[float, Field(ge=0)] | None = None
    """In US dollars."""
    customers: Annotated[int, Field(ge=0)] | None = None
    """How many would notice that it is down."""


class LimitAction(Frozen):
    """Bound the requests in flight to the service, so that callers fail fast instead of piling up."""

    action: Literal["limit"] = "limit"
    max_requests: Annotated[int, Field(ge=1)]
    """In flight at the same time, from each proxy to each release."""


class WeightAction(Frozen):
    """Cap the share of the newest release; the other releases take the rest."""

    action: Literal["weight"] = "weight"
    max_percent: Percent
    """The largest share that the newest release keeps."""


class FallbackAction(Frozen):
    """Route a share of the requests to the service's fallback; the rest keeps giving evidence."""

    action: Literal["fallback"] = "fallback"
    share: Annotated[int, Field(ge=1, le=100)]
    """Percent of the requests."""


class RetriesAction(Frozen):
    """Bound what the proxies try again by themselves, so that a service in trouble is not asked for more than usual."""

    action: Literal["retries"] = "retries"
    max_percent: Percent
    """Share of the requests in flight to each release that may be retries. 0: none is tried again."""


Protection = Annotated[LimitAction | WeightAction | FallbackAction | RetriesAction, Field(discriminator="action")]


class MeshShedding(Frozen):
    """The proxies bound the requests in flight. They do not know what a request is worth."""

    by: Literal["mesh"] = "mesh"
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """In flight at the service, from which on it is saturated; each proxy then lets its part of them through to each
    release. Default: learned, as twice what the busiest quarter of a minute of the hour before would have in flight if
    each request took as long as its latency objective allows. Without a history, or without a latency objective, nobody
    knows."""


class GuardShedding(Frozen):
    """The guards inside the applications turn away what earns least."""

    by: Literal["guards"] = "guards"
    least_value: Annotated[float, Field(ge=0, le=1e12)]
    """What is known to earn less is turned away, in the unit in which the applications tell their guards."""
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """In flight at the service, from which on it is saturated. Default: learned, as for the proxies."""


Shedding = Annotated[MeshShedding | GuardShedding, Field(discriminator="by")]


class BreakerPolicy(Frozen):
    """What may be done at the breakers before a service, in proxies and in applications, while it is in trouble.

    Each part is a lease like the first protective action. What is left out is not done, and nothing at level *advise*.
    """

    retries: Percent | None = None
    """Once it fails far more often than before: percent of the requests to it that may be retries, at the proxies and
    at the guards of its callers, where they do not allow fewer anyway. Above 0, a proxy may always make one at a
    time."""
    guards: Literal["arm", "open"] | None = None
    """Once it fails far more often than before, what is done to its callers' guards: *arm* those that only watch, or
    *open* them, so that every call gets its fallback at once, also those that would show that it is well again."""
    shed: Shedding | None = None
    """Once it is saturated. Either the proxies shed or the guards do, so that nothing is shed twice."""

    @property
    def tiers(self) -> frozenset[Tier]:
        """Those whose breakers have anything to do when they trip; each has a lease of its own."""
        fails = self.retries is not None or self.guards is not None
        found = {Tier.SERVICE: fails, Tier.SYSTEM: self.shed is not None}
        return frozenset(tier for tier, asked in found.items() if asked)


PreventionLevel = Literal["advise", "approve", "full"]


class PreventionPolicy(Frozen):
    """What may be done about an incident that is only predicted. An action that is left out is advised, and not done.

    More replicas, copies, shares and shedding are kept for the horizon of the prediction and then taken back, unless an
    incident has begun: that takes over what there is. Any rollback of the service goes first.
    """

    level: PreventionLevel = "advise"
    """*advise* says what would be done, *approve* waits for a person before it is done, *full* does it."""
    scale: Annotated[int, Field(ge=1, le=100)] | None = None
    """How many replicas may be added to those of the release that serves."""
    warm: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of the GET requests of which the release before gets copies, so that it can take over at once."""
    shift: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of the requests that may be sent to the release before."""
    shed: Annotated[float, Field(ge=0, le=100)] | None = None
    """Percent of the revenue that is turned away where requests are shed as ``shed`` of the policy's ``breakers`` says:
    what that costs. Where the proxies do it, it needs ``max_requests``."""
    restart: bool = False
    """Whether the replica that has run longest may be replaced. On Kubernetes all are, as by ``kubectl rollout
    restart``."""
    roll_back: bool = False
    """Whether an incident may be begun before there is one. What it does, the rest of the policy says."""
    dollars_an_hour: Annotated[float, Field(ge=0)]
    """US dollars that preventive actions for a service in a region may be expected to cost: those of the last hour with
    the next one."""
    replica_dollars_an_hour: Annotated[float, Field(ge=0)] | None = None
    """US dollars that one more replica costs. Default: nobody knows; what needs one is then advised, and not done."""
    actions_a_day: Annotated[int, Field(ge=1)] = 6
    """Preventive actions for a service in a region within 24 hours."""
    approval_timeout: Annotated[float, Field(gt=0, le=86400)] = 900
    """Seconds to wait for a person who must approve it; then nothing is done."""


StrategyName = Literal["immediate", "gradual", "canary-reverse", "blue-green"]
"""Those that may be asked for by name: staged and emergency follow from what has happened."""


class RollbackPolicy(Frozen):
    """Limits of a rollback's gates, and of the points to go back to. Times are in seconds."""

    ready_timeout: Annotated[float, Field(gt=0, le=3600)] = 60
    """How long the target's replicas may take to become ready."""
    drain_timeout: Annotated[float, Field(gt=0, le=3600)] = 30
    """How long the bad release may take to finish the requests that it has."""
    soak: Annotated[float, Field(gt=0, le=7200)] = 60
    """How long the target must meet its objectives under traffic before the bad release may be scaled down."""
    soak_extension: Annotated[float, Field(ge=0, le=7200)] = 60
    """How much longer an inconclusive soak is watched before it holds."""
    min_requests: Annotated[int, Field(ge=1)] = 50
    """Fewer requests than these in the soak are inconclusive."""
    headroom: Annotated[float, Field(ge=1, le=10)] = 1
    """Capacity of the target, in multiples of what serves now: more than 1 where the peak is still to come."""
    strategy: StrategyName | None = None
    """This one, unless rules 1 to 5 of the selection take something else: a total outage is held, or an emergency, and
    several services are staged. Without room for both releases it is gradual. Default: what the rules say."""
    emergency: bool = False
    """Whether an emergency rollback may begin without asking. Otherwise a named person must allow it: until then, a
    total outage or a loss above ``loss_budget`` is held, whatever ``level`` and ``strategy`` say."""
    loss_budget: Annotated[float, Field(gt=0)] | None = None
    """US dollars that an incident may cost before it becomes an emergency. Default: only a total outage is one."""
    change_window: Annotated[float, Field(gt=0)] = 3600
    """A release that was deployed at most so long before the trouble is suspected of it."""
    high_burn: Annotated[float, Field(gt=0)] = 14.4
    """An error budget that burns at least so many times as fast as it may is urgent."""
    approve_before: tuple[Literal["traffic", "point-of-no-return"], ...] = ()
    """Where a person must approve before the rollback goes on: at the first stage that moves traffic, at the stage past
    which the way back is no longer lossless. Each waits for ``approval_timeout``, then holds."""
    point_max_age: Annotated[float, Field(ge=60)] = 604800
    """How long a rollback point is good for. A release that stays healthy gets a new one before that."""

    @property
    def longest_soak(self) -> timedelta:
        return timedelta(seconds=self.soak + self.soak_extension)


class Policy(Frozen):
    """What may be done for a service without asking, and what needs a person."""

    level: Level = Level.FULL
    """How much Sternway may do by itself. Also at *full* a total outage is held for a person, unless the rollback's
    ``emergency`` is true."""
    protect: Protection | None = None
    """The first protective action, approved here in advance. Without it the incident starts unprotected."""
    lease: Annotated[float, Field(ge=5)] = 60
    """Seconds after which the protection lapses unless it is renewed."""
    breakers: BreakerPolicy | None = None
    """What may be done at the breakers before the service while an incident of it is open. Default: nothing."""
    prevention: PreventionPolicy | None = None
    """What may be done about an incident that is only predicted. Default: nothing, it is only told."""
    approval: Literal["never", "always"] = "never"
    """Whether a person must approve the plan before it runs."""
    approval_timeout: Annotated[float, Field(gt=0)] = 900
    """Seconds to wait for a person who must approve the plan or a stage of it, then hold."""
    hold_timeout: Annotated[float, Field(gt=0)] = 28800
    """Seconds that a held incident waits for a person, still renewing its protection, before it ends as held."""
    rollback: RollbackPolicy = RollbackPolicy()
    """Limits of the gates of a rollback."""


class GitHub(Frozen):
    """How deployments of a service are told by GitHub's webhooks."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    """``owner/name``. Each of its deployments is taken for one of every service that names it."""
    release: Literal["sha", "ref"] = "sha"
    """What the platform calls the release by: the commit, or the tag that was deployed."""


class Service(Frozen):
    tier: Annotated[int, Field(ge=1, le=4)]
    """1 is what earns most and is protected first."""
    regions: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Where it runs."""
    mesh: Name | None = None
    """Driver names, defined in each of the service's regions. Default: those of ``defaults``."""
    platform: Name | None = None
    telemetry: Name | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Embedded mesh: the port on which each region's Envoy listens for callers of this service."""
    depends_on: tuple[Name, ...] = ()
    """The services that it calls."""
    fallback: Name | None = None
    """The service that can answer in this one's place, less well."""
    slos: Slos
    """What its users are promised: the measure of its health."""
    value: BusinessValue = BusinessValue()
    """What it is worth while it is healthy."""
    releases: tuple[Release, ...] = ()
    """Releases known to work, newest first. The deployment history is consulted as well."""
    incompatible: tuple[Release, ...] = ()
    """Releases that can no longer run: they do not understand the schema or the configuration of now."""
    released_with: tuple[Name, ...] = ()
    """Services whose releases belong to this one's: where one goes back, they all do."""
    max_replicas: Annotated[int, Field(ge=1)] | None = None
    """Replicas of all releases that there is room for in a region. Default: taken to be enough."""
    github: GitHub | None = None
    """Where GitHub tells of its deployments."""
    policy: Name | None = None
    """Name of its policy. Default: that of ``defaults``; without one, Sternway only advises."""


class Defaults(Frozen):
    mesh: Name | None = None
    """For services that name no mesh."""
    platform: Name | None = None
    """For services that name no platform."""
    telemetry: Name | None = None
    """For services that name no telemetry."""
    policy: Name | None = None
    """For services that name no policy."""


class TierDefaults(Frozen):
    """What a service of a tier is taken to be worth where the catalog does not say."""

    revenue_per_minute: float
    """In US dollars."""
    customers: int
    """How many would notice that one is down."""


class Prediction(Frozen):
    """What is watched for and how often. The same for all services, so that they can learn from one another."""

    interval: Annotated[int, Field(ge=5, le=3600)] = 60
    """Seconds between two looks at every service. A day must be a multiple of it."""
    horizon: Annotated[int, Field(ge=60, le=21600)] = 1800
    """Seconds within which a new incident is predicted to begin. At least two looks."""
    false_alarms_a_day: Annotated[float, Field(gt=0, le=100)] = 0.75
    """How many alarms without an incident a service may have. Its threshold is chosen for that when a model learns."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if DAY % self.interval:
            raise ValueError(f"a day is no multiple of the interval of {self.interval} s; 60 and 300 divide it")
        if self.horizon < 2 * self.interval:
            raise ValueError(f"the horizon of {self.horizon} s is less than two looks of {self.interval} s")
        return self


class Catalog(Frozen):
    version: Literal[1]
    """Of this format."""
    regions: Annotated[dict[Name, Region], Field(min_length=1)]
    """By name: how each is reached."""
    services: Annotated[dict[Name, Service], Field(min_length=1)]
    """By name, as alerts and metrics call them."""
    policies: dict[Name, Policy] = {}
    """By name: what may be done for the services that name them."""
    defaults: Defaults = Defaults()
    """For services that do not say otherwise."""
    tiers: dict[int, TierDefaults] = {}
    """By tier, 1 to 4: what its services are taken to be worth where they do not say."""
    prediction: Prediction = Prediction()
    """What ``sternway predict`` watches for."""

    def service(self, name: str) -> Service:
        return self.services[name]

    def policy_of(self, service: str) -> Policy:
        """The service's policy; the built-in one, which protects nothing by itself, where the catalog names none."""
        name = self.services[service].policy or self.defaults.policy
        return self.policies[name] if name else Policy(level=Level.ADVISE)

    def driver(self, module: Literal["mesh", "platform", "telemetry"], region: str, service: str) -> Driver:
        """The driver that serves *service* in *region* for *module*; a validated catalog always has it."""
        name: str = getattr(self.services[service], module) or getattr(self.defaults, module)
        drivers: dict[str, Driver] = getattr(self.regions[region], module)
        return drivers[name]

    def dependants(self, service: str) -> tuple[str, ...]:
        """The services that call *service* directly, by name."""
        return tuple(sorted(n for n, s in self.services.items() if service in s.depends_on))
