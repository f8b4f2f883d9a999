"""What a bundle holds once loaded: channels, purposes, actions, limits, levers. Immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from engine.business_hours import BusinessHours
from engine.packed import What
from engine.rules import Expression
from engine.service_terms import Promise
from engine.types import ContactKind, Level, Stage


class Zone(StrEnum):
    """Whose clock a window or quiet hours go by; a customer without a zone has the business's."""

    CUSTOMER = "customer"
    BUSINESS = "business"
    UTC = "utc"


class Scope(StrEnum):
    """Whose contacts are counted together."""

    CUSTOMER = "customer"
    ACCOUNT = "account"
    HOUSEHOLD = "household"


class Period(StrEnum):
    """A calendar window: it starts at midnight, on the first day of the week or of the month."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time up to now: `length` for a rolling one, `period` for a calendar one.

    Exactly one of the two is given; `zone` matters for calendar windows only.
    """

    length: timedelta | None = None
    period: Period | None = None
    zone: Zone = Zone.BUSINESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to reach a customer: `in_page` shows what a decision answers, the others deliver.

    `like`: uses the treatments of that channel where an action has none for this one.
    `content`: what each of its treatments says, such as `subject` and `body`; empty: anything.
    """

    name: str
    in_page: bool
    like: str | None = None
    content: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """Why something is said.

    `default_consent` maps a channel to what holds when nothing is recorded.
    `levels`: the levels of completeness at which this purpose may still be offered.
    `lever` is a weight in percent. `shadow_price` is added to the value of its actions: what
    avoided contacts or a kept customer are worth; `most_value` caps the sum.
    """

    name: str
    default_consent: Mapping[str, bool]
    levels: frozenset[Level]
    lever: float = 0.0
    shadow_price: float = 0.0
    most_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition that must hold.

    `unknown_passes`: what happens when a feature it needs is absent or too old.
    `because`: what an officer can read out when the rule stops an action.
    """

    name: str
    stage: Stage
    condition: Expression
    unknown_passes: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How an action is said on one channel, and optionally on one placement only.

    `id` is `action.channel`, `action.channel.placement`, and `:name` behind it where there are
    several. `content` includes the action's `price`, `discount` and `contract_change`, if it has
    them; `{view.feature}` in it is filled in. `needs` are the names that must be known, and fresh,
    for that; `rules` say when this way to say it fits. Of several that fit the one with the highest
    `preference` is used.
    """

    id: str
    channel: str
    content: Mapping[str, str]
    placement: str | None = None
    tone: str = "neutral"
    needs: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    preference: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What may be offered or said.

    `value` is in the business's currency; `prior` the propensity when no model can say.
    `rules` are its own and those inherited from all actions, its purpose and its group, in stage
    order. `exempt`: its messages pass contact limits (`service`, `legal`, `safety`,
    `transactional`); they are still journalled. `lever` is a weight in percent.
    `only_for_journeys`: never in a decision that no journey asked for. `margin` is what is left of
    it for the business, for the margin floors. `requires` and `brings` name the members of the
    package it leads: it is not offered without the first, and takes the others along if they
    passed; `only_as_member`: never offered by itself. `new`: on channels that deliver it reaches
    only part of the customers until it is mature (see Exploration). `minimum_propensity` and
    `minimum_priority` are the thresholds for this action, its group and purpose counted in.
    """

    name: str
    title: str
    purpose: str
    group: str
    tags: tuple[str, ...]
    value: Expression
    prior: float
    treatments: tuple[Treatment, ...]
    rules: tuple[Rule, ...] = ()
    starts: date | None = None
    ends: date | None = None
    exempt: str | None = None
    lever: float = 0.0
    mandatory: bool = False
    only_for_journeys: bool = False
    margin: Expression | None = None
    requires: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    only_as_member: bool = False
    new: bool = False
    minimum_propensity: float = 0.0
    minimum_priority: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which candidates something applies to; an empty set means all of them."""

    purposes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def covers(self, action: Action, channel: str) -> bool:
        """Whether this action on this channel is meant."""
        return (
            (not self.purposes or action.purpose in self.purposes)
            and (not self.groups or action.group in self.groups)
            and (not self.actions or action.name in self.actions)
            and (not self.channels or channel in self.channels)
        )

    def contains(self, contact: What) -> bool:
        """Whether a contact was of this kind."""
        return (
            (not self.purposes or contact.purpose in self.purposes)
            and (not self.groups or contact.group in self.groups)
            and (not self.actions or contact.action in self.actions)
            and (not self.channels or contact.channel in self.channels)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactLimit:
    """At most `maximum` contacts of `kinds` within the `window`.

    `per`: what is counted together: `customer`, `purpose`, `group` or `action`; `scope`: of this
    customer alone or of all in the account or household. `per_channel`: each channel on its own.
    `keeps_for_better`: a place in it is kept for a worthier message that a journey has planned
    within this time.
    """

    name: str
    maximum: int
    window: Window
    kinds: frozenset[ContactKind]
    per: str = "customer"
    per_channel: bool = False
    reach: Reach = Reach()
    scope: Scope = Scope.CUSTOMER
    keeps_for_better: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPolicy:
    """After `times` of one of the `outcomes` within `window`, silence for `silence`.

    `outcomes`: `dispatch`, `delivery`, `impression`, any response such as `reject`, or `ignore`: an
    impression or dispatch that nothing followed. `per`: what is counted together and silenced
    together: `action`, `group`, `purpose` or `customer`. Several may hit: the latest end counts.
    """

    name: str
    outcomes: frozenset[str]
    times: int
    window: Window
    silence: timedelta
    because: str
    per: str = "action"
    per_channel: bool = False
    reach: Reach = Reach()
    scope: Scope = Scope.CUSTOMER


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When nothing is sent: from `starts` to `ends` on the local clock, over midnight if need be.

    `days`: on which weekdays they start, 0 is Monday; `waits`: a message waits until they are over,
    otherwise it is dropped. They bind channels that deliver, never what a page shows.
    """

    name: str
    starts: time
    ends: time
    waits: bool
    because: str
    days: frozenset[int] = frozenset(range(7))
    zone: Zone = Zone.CUSTOMER
    reach: Reach = Reach()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTerms:
    """A visit or call goes on until nothing has happened for `idle`, over all channels.

    `silenced_by`: after one of these outcomes an action is not offered again in it.
    `most_shown`: nor after so many impressions. `remembers`: the context that later questions of
    the same session may leave out.
    """

    idle: timedelta = timedelta(minutes=30)
    silenced_by: frozenset[str] = frozenset()
    most_shown: int | None = None
    remembers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How much there is of something, for all customers together: stock, budget, capacity.

    `maximum` units in each calendar `period` of the business's clock, or once for all if None;
    `per`: each value of this name (`contract.type`) on its own. An offer takes a unit, for
    `kept_for`; an outcome in `used_by` makes that final, one in `freed_by` gives it back. Empty
    `used_by`: what is offered or sent is used for good. While fewer than `minimum` are used, in
    proportion to the time that has passed, C of its actions gains `boost` percent.
    """

    name: str
    maximum: int
    because: str
    period: Period | None = None
    per: str | None = None
    kept_for: timedelta = timedelta(minutes=30)
    used_by: frozenset[str] = frozenset()
    freed_by: frozenset[str] = frozenset({"reject"})
    minimum: int = 0
    boost: float = 0.0
    reach: Reach = Reach()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """The emergency stop: what it covers is not offered and not sent, whoever asks."""

    name: str
    because: str
    reach: Reach
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginFloor:
    """Where `condition` holds, an action that states a margin is not offered below `floor`.

    Nor where it is not known whether it holds.
    """

    name: str
    condition: Expression
    floor: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Influencer:
    """What happened changes the levers of `target` (such as `group:internet`), for a while.

    It starts with the latest of the `outcomes` of what `after` names (`action:x`, `group:x`,
    `purpose:x` or `*`), or, where `stage` is given, when the journey `after` came to that stage.
    The weight goes from `start` to `end` percent over `ramp`, in steps of `step` if given, and is
    gone after `lasts`.
    """

    name: str
    target: str
    after: str
    outcomes: frozenset[str] = frozenset()
    stage: str | None = None
    start: float = 0.0
    end: float = 0.0
    ramp: timedelta = timedelta(days=1)
    step: timedelta | None = None
    lasts: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """How much is left to chance, and logged. The defaults leave nothing to it.

    `smoothing_evidence`: how many answers the prior counts as, against an action's own answers and
    those that the model learned from; 0: the model is taken at its word.
    `thompson`: P is drawn from Beta(p n, (1 - p) n), n being the evidence and the smoothing's; what
    is new is drawn as widely as its mean allows. Thresholds look at P before it is drawn.
    `control_percent`: the share of customers who see allowed actions in random order, another share
    each month in UTC: there no threshold and no maturity holds, everything else does.
    `mature_positives`: an action marked as new reaches `immature_percent` of the audience of a
    delivering channel, growing linearly to all of it at so many positive answers; 0: everybody at
    once.
    """

    smoothing_evidence: float = 0.0
    thompson: bool = False
    control_percent: float = 0.0
    mature_positives: int = 0
    immature_percent: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementTerms:
    """Diversity: how many offers of one group or purpose a placement takes; None: any number."""

    name: str
    most_per_group: int | None = None
    most_per_purpose: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyTerms:
    """Which journey goes first, and when one may start.

    `starts_maximum` within `starts_window` for one customer; not while a journey of `not_while`
    runs; nor while `running_maximum` others of the same or a higher `priority` do. None: no bound.
    """

    kind: str
    priority: float = 0.0
    starts_maximum: int | None = None
    starts_window: timedelta = timedelta(days=30)
    not_while: tuple[str, ...] = ()
    running_maximum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextWeight:
    """Adds `percent` to C for `target` (such as `purpose:service`) while `condition` holds.

    Nothing is added while that is not known.
    """

    name: str
    target: str
    condition: Expression
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTerms:
    """What a journey's hold covers and how long it lasts: `complaint` in the example business.

    `cool_down` runs after the case is resolved; `maximum` ends a hold whose owner is lost.
    """

    name: str
    purposes: tuple[str, ...]
    tags: tuple[str, ...]
    cool_down: timedelta
    maximum: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything the business decided, with the hashes of the models in use.

    `hash` names it: `sha256:...`. `max_ages` maps a feature view, or `view.feature`, to the age
    beyond which it is unknown; what is not there never ages. `zone` is the business's time zone,
    `customer_zone` the name of the feature with the customer's; weeks start on `week_starts`, 0 is
    Monday. `answers_within`: how long an impression or dispatch waits for an answer before it
    counts as ignored. `segments` are named conditions, `values` named formulas: other expressions
    use them as `segment.<name>` and `value.<name>`. `source` is the canonical JSON that was hashed:
    what an archive keeps, so that a replay can load it again.
    """

    hash: str
    name: str
    currency: str
    channels: Mapping[str, Channel]
    purposes: Mapping[str, Purpose]
    groups: Mapping[str, float]
    actions: Mapping[str, Action]
    limits: tuple[ContactLimit, ...]
    context_weights: tuple[ContextWeight, ...]
    holds: Mapping[str, HoldTerms]
    max_ages: Mapping[str, timedelta]
    fallbacks: Mapping[str, str]
    """Placement name (or `*`) to the action shown when nothing else is left: never commercial."""
    policies: tuple[ContactPolicy, ...] = ()
    quiet_hours: tuple[QuietHours, ...] = ()
    session: SessionTerms = SessionTerms()
    volumes: tuple[Volume, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    margin_floors: tuple[MarginFloor, ...] = ()
    influencers: tuple[Influencer, ...] = ()
    exploration: Exploration = Exploration()
    placements: Mapping[str, PlacementTerms] = field(default_factory=dict[str, PlacementTerms])
    journeys: Mapping[str, JourneyTerms] = field(default_factory=dict[str, JourneyTerms])
    business_hours: Mapping[str, BusinessHours] = field(default_factory=dict[str, BusinessHours])
    service_clocks: tuple[Promise, ...] = ()
    segments: Mapping[str, Expression] = field(default_factory=dict[str, Expression])
    values: Mapping[str, Expression] = field(default_factory=dict[str, Expression])
    zone: str = "UTC"
    customer_zone: str | None = None
    week_starts: int = 0
    answers_within: timedelta = timedelta(days=3)
    cache_age: timedelta = timedelta(hours=24)
    """How old the latest decision may be to be given again when features can't be read."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    source: bytes = b""
