"""What a decision is made of: request, snapshot, candidate, drop, decision. All frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from engine.later import allow_later

Scalar = str | int | float | bool | None


class Level(StrEnum):
    """How complete the ground was that a decision stood on, best first."""

    FULL = "full"
    STALE = "stale"
    PARTIAL = "partial"
    CACHED = "cached"
    STATIC = "static"


class Stage(StrEnum):
    """The stages of the funnel, in the order in which a candidate meets them.

    `exclusion` is the emergency stop of an action or a channel, `treatment` the rules and needs of
    each way to say it, `session` what was answered in this visit, `deadline` what was not scored in
    time, `placement` what found no place because a placement takes only so many of a kind.
    """

    AVAILABILITY = "availability"
    CHANNEL = "channel"
    EXCLUSION = "exclusion"
    HOLD = "hold"
    LEVEL = "level"
    ELIGIBILITY = "eligibility"
    APPLICABILITY = "applicability"
    SUITABILITY = "suitability"
    TREATMENT = "treatment"
    CONSENT = "consent"
    SESSION = "session"
    CONTACT_POLICY = "contact_policy"
    CONTACT_LIMIT = "contact_limit"
    QUIET_HOURS = "quiet_hours"
    MATURITY = "maturity"
    DEADLINE = "deadline"
    PROPENSITY = "propensity"
    ARBITRATION = "arbitration"
    PACKAGE = "package"
    VOLUME = "volume"
    PLACEMENT = "placement"


class Arm(StrEnum):
    """Which slice of the audience a customer is in: `control` sees allowed actions at random."""

    BEST = "best"
    CONTROL = "control"


class Status(StrEnum):
    """What became of a candidate: shown, good enough but outranked, or dropped."""

    CHOSEN = "chosen"
    PASSED = "passed"
    DROPPED = "dropped"


class ContactKind(StrEnum):
    """What happened between business and customer; each contact limit says which kinds count.

    A response is any answer of the customer: its contact says which.
    """

    DISPATCH = "dispatch"
    DELIVERY = "delivery"
    IMPRESSION = "impression"
    RESPONSE = "response"


class HoldState(StrEnum):
    """`orphaned`: its workflow ended without releasing it; still in force, a task for operators."""

    ACTIVE = "active"
    ORPHANED = "orphaned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A place on a page, in a call script or in a message that takes up to `limit` offers."""

    name: str = "main"
    limit: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to the engine. `customer` is the opaque reference, never an external id.

    `now` is the stack's time, `seed` the dice: both are arguments so that a decision can be re-run.
    """

    decision_id: str
    customer: str
    channel: str
    now: datetime
    seed: int
    placements: tuple[Placement, ...] = (Placement(),)
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    purposes: tuple[str, ...] = ()
    """Only these purposes are considered; empty means all."""
    tags: tuple[str, ...] = ()
    """Only actions that carry one of these tags are considered; empty means all."""
    journey: str = ""
    """The id of the journey that asks; empty for a channel."""
    explain: bool = False
    """Whether a dropped candidate meets the rest of the funnel too, to know all its reasons."""
    superseded: bool = False
    """Whether this answer takes the place of a stored one that is no longer legal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A lease that silences purposes and tags for one customer until its owner releases it.

    `owner` is a workflow id, or `operator:<author>`. `seq` is the journal position of the event
    that placed it: a release names the last position it has seen, so a hold that was placed again
    in the meantime stays.
    """

    id: str
    purposes: tuple[str, ...]
    tags: tuple[str, ...]
    since: datetime
    because: str
    owner: str
    seq: int
    until: datetime | None = None
    state: HoldState = HoldState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One entry of a customer's contacts; `at` in milliseconds of the stack's clock since 1970.

    `outcome` says what a response was: `click`, `accept`, `reject`, `later`, or a word of the
    business's own; empty for everything else.
    """

    id: str
    kind: ContactKind
    at: int
    channel: str
    action: str
    group: str
    purpose: str
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A message that a journey will send, and what it is worth: `value` is an expected priority."""

    at: datetime
    channel: str
    purpose: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyState:
    """Where a running journey stands.

    `since` is when it came to this stage, `before` the stage it was in before, `planned` the next
    message that must not find the customer's contacts used up.
    """

    id: str
    kind: str
    stage: str
    since: datetime
    before: str = ""
    planned: Planned | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What is remembered of the visit or call that is going on, on whichever channels.

    `context` is what earlier questions of it said, as far as the bundle remembers it.
    """

    started: datetime
    last: datetime
    channel: str
    context: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One unit of a volume, kept for one customer and action until `until`; None: used for good.

    `bucket` names the volume, its period and, where it is counted by a property, its value.
    """

    bucket: str
    action: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An offer of the customer's latest decision here, for when features can't be read."""

    placement: str
    action: str
    treatment: str
    propensity: float
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRow:
    """What the feature store knows: `view.feature` to value, and each view to its time."""

    values: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    times: dict[str, datetime] = field(default_factory=dict[str, datetime])


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that is known of one customer at one moment.

    `features` maps `view.feature` to its value; `feature_times` maps each view that was found to
    its event time. `consents` maps `purpose:channel` to granted or refused; what is not there was
    not recorded. `reconciled` is False when the live state could not be read or is being rebuilt:
    then nothing commercial and nothing that counts towards a limit may be offered, and `holds`,
    `consents` and `contacts` say nothing. `because` says in words what is missing.
    """

    customer: str
    reconciled: bool
    version: int = 0
    features: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    feature_times: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    holds: tuple[Hold, ...] = ()
    consents: Mapping[str, bool] = field(default_factory=dict[str, bool])
    contacts: Sequence[Contact] = ()
    circles: Mapping[str, Sequence[Contact]] = field(default_factory=dict[str, Sequence[Contact]])
    """The contacts of the customer's `account` and `household`, all members together."""
    journeys: tuple[JourneyState, ...] = ()
    session: Session | None = None
    volumes: Mapping[str, int] = field(default_factory=dict[str, int])
    """How much of each volume is used, by bucket; a bucket that is not there is unused."""
    reserved: tuple[Reservation, ...] = ()
    """What is kept for this customer."""
    remembered: tuple[Remembered, ...] | None = None
    """None unless the features could not be read: then what was offered last."""
    because: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the feature store knows anything of this customer."""
        return bool(self.feature_times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Why a candidate is not offered: stage, rule, words, and until when where that is known."""

    stage: Stage
    rule: str
    detail: str
    until: datetime | None = None


Answers = tuple[int, ...]
"""Positive and negative answers to an action on a channel, and how many the model learned from: of
two numbers all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the models said, rounded to 9 decimals; recorded, and given again at replay.

    `customer` holds scores of the customer alone (`churn`); `acceptance` one propensity per
    (action, channel) asked for, in order, None where no model could say; where it is shorter than
    what was asked for, the deadline cut in. `scored` names the actions that were asked for.
    `evidence` is how each was answered so far; empty where nothing counts that. `models` maps a
    model's name to its artefact hash, `because` says what was missing.
    """

    customer: Mapping[str, float] = field(default_factory=dict[str, float])
    acceptance: tuple[float | None, ...] = ()
    evidence: tuple[Answers, ...] = ()
    scored: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    backend: str = "none"
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One treatment on its way through the funnel, with its priority and the parts of it.

    `propensity` is P as it ranked; `model` what the model said, `smoothed` that after smoothing by
    the prior; what is not there was not needed. `levers` names what is in C (`context:`, `volume:`)
    and L (all others), in percent; `value:unknown` at 0 says that V was not known and counts as 1.
    Priority is P x C x V x L, and P alone in the control slice.
    """

    action: str
    treatment: str
    status: Status
    drops: tuple[Drop, ...] = ()
    propensity: float | None = None
    context_weight: float | None = None
    value: float | None = None
    lever: float | None = None
    priority: float | None = None
    model: float | None = None
    smoothed: float | None = None
    levers: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A chosen treatment, as the channel shows it.

    `part_of` names the action that brought it along as a member of its package. `selection` is the
    probability with which it, or its leader, came first of all that could have had its place: 1
    without exploration. After the first place of a decision it counts as if P were drawn anew.
    """

    action: str
    treatment: str
    purpose: str
    tags: tuple[str, ...]
    group: str
    rank: int
    propensity: float
    priority: float
    content: Mapping[str, str]
    part_of: str | None = None
    selection: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer: offers by placement, and everything that explains it.

    No offers at all is a valid answer. `funnel` maps each stage to how many candidates it dropped,
    by rule; it and `candidates` may be made when they are asked for. `exemptions` names each
    offered action that passed a guard because of its class. `reserves` is what its commit takes out
    of volumes.
    """

    decision_id: str
    at: datetime
    level: Level
    because: tuple[str, ...]
    placements: Mapping[str, tuple[Offer, ...]]
    holds: tuple[Hold, ...]
    candidates: tuple[Candidate, ...]
    funnel: Mapping[str, Mapping[str, int]]
    bundle: str
    scores: Scores = field(default_factory=Scores)
    arm: Arm = Arm.BEST
    exemptions: tuple[str, ...] = ()
    reserves: tuple[Reservation, ...] = ()

    @property
    def offers(self) -> tuple[Offer, ...]:
        """All offers of all placements."""
        return tuple(offer for offers in self.placements.values() for offer in offers)


allow_later(Decision, "candidates", "funnel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as the journal took it.

    `seq` is its journal position, `at` the stack's time of acceptance. `data` may hold personal
    text (`text`): it stays in the journal and never goes to Temporal.
    """

    source: str
    id: str
    type: str
    customer: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seq: int = 0
