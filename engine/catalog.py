"""What a bundle holds once loaded: channels, purposes, actions, limits, levers. Immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from engine.rules import Expression
from engine.types import ContactKind, Level, Stage


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
    `lever` is a weight in percent.
    """

    name: str
    default_consent: Mapping[str, bool]
    levels: frozenset[Level]
    lever: float = 0.0


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

    `id` is `action.channel` or `action.channel.placement`. `content` includes the action's
    `price`, `discount` and `contract_change`, if it has them.
    """

    id: str
    channel: str
    content: Mapping[str, str]
    placement: str | None = None
    tone: str = "neutral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What may be offered or said.

    `value` is in the business's currency; `prior` the propensity when no model can say.
    `rules` are its own and those inherited from all actions, its purpose and its group, in stage
    order. `exempt`: its messages pass contact limits (`service`, `legal`, `safety`,
    `transactional`); they are still journalled. `lever` is a weight in percent.
    `only_for_journeys`: never in a decision that no journey asked for.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactLimit:
    """At most `maximum` contacts of `kinds` within the rolling `window`.

    `purposes`, `groups`, `actions`, `channels`: which candidates it applies to; empty means all.
    `per`: what is counted together: `customer`, `purpose`, `group` or `action`.
    `per_channel`: each channel on its own.
    """

    name: str
    maximum: int
    window: timedelta
    kinds: frozenset[ContactKind]
    per: str = "customer"
    per_channel: bool = False
    purposes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextWeight:
    """Adds `percent` to C for `target` (such as `purpose:service`) while `condition` holds."""

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

    `hash` names it: `sha256:...`. `max_ages` maps a feature view to the age beyond which its values
    are unknown; a view that is not there never ages. `source` is the canonical JSON that was
    hashed: what an archive keeps, so that a replay can load it again.
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
    minimum_propensity: float
    minimum_priority: float
    fallbacks: Mapping[str, str]
    """Placement name (or `*`) to the action shown at level `static`: never commercial."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    source: bytes = b""
