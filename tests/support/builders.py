"""Builders with defaults: small bundles made in code, customers, requests, snapshots, messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from engine.catalog import (
    Action,
    Bundle,
    Channel,
    ContactLimit,
    ContactPolicy,
    ContextWeight,
    HoldTerms,
    Purpose,
    QuietHours,
    Reach,
    Rule,
    Treatment,
    Volume,
    Window,
    Zone,
)
from engine.channels.delivery import Message
from engine.holds import COMMERCIAL, SALES
from engine.ledger.references import reference
from engine.names import LOADED_VIEWS
from engine.rules import compile_expression
from engine.types import (
    Contact,
    ContactKind,
    Event,
    Hold,
    HoldState,
    JourneyState,
    Level,
    Placement,
    Request,
    Scalar,
    Snapshot,
    Stage,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = b"k" * 32
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
IN_PAGE = ("web", "app", "call")
CHANNELS = ("web", "app", "call", "email", "whatsapp", "inbox")
PURPOSES = ("sales", "retention", "nurture", "survey", "service")


def a_customer(name: str = "7590-VHVEG") -> str:
    """The reference of a customer whom the outside calls `name`."""
    return reference(KEY, name)


def a_rule(
    condition: str,
    *,
    name: str = "rule",
    stage: Stage = Stage.ELIGIBILITY,
    unknown_passes: bool = False,
) -> Rule:
    """A rule in the rule language."""
    return Rule(
        name=name,
        stage=stage,
        condition=compile_expression(condition),
        unknown_passes=unknown_passes,
        because=f"it needs {condition}",
    )


def a_treatment(action: str, channel: str, placement: str | None = None, **more: Any) -> Treatment:
    """How an action is said on a channel."""
    place = f".{placement}" if placement else ""
    tone = f".{more['tone']}" if "tone" in more else ""
    return Treatment(
        id=f"{action}.{channel}{place}{tone}",
        channel=channel,
        placement=placement,
        content={"body": action},
        **more,
    )


def an_action(
    name: str,
    *,
    purpose: str = "sales",
    tags: Sequence[str] | None = None,
    group: str = "internet",
    value: str | float = 10,
    prior: float = 0.5,
    channels: Sequence[str] = CHANNELS,
    treatments: Sequence[Treatment] | None = None,
    rules: Sequence[Rule] = (),
    starts: date | None = None,
    ends: date | None = None,
    exempt: str | None = None,
    lever: float = 0.0,
    mandatory: bool = False,
    only_for_journeys: bool = False,
    **more: Any,
) -> Action:
    """Something to offer or to say; sales carry the tag `commercial`."""
    own = tuple(a_treatment(name, channel) for channel in channels)
    usual = (COMMERCIAL,) if purpose == SALES else ()
    return Action(
        name=name,
        title=name,
        purpose=purpose,
        group=group,
        tags=usual if tags is None else tuple(tags),
        value=compile_expression(str(value)),
        prior=prior,
        treatments=own if treatments is None else tuple(treatments),
        rules=tuple(rules),
        starts=starts,
        ends=ends,
        exempt=exempt,
        lever=lever,
        mandatory=mandatory,
        only_for_journeys=only_for_journeys,
        **more,
    )


def a_reach(
    purposes: Sequence[str] = (),
    groups: Sequence[str] = (),
    actions: Sequence[str] = (),
    channels: Sequence[str] = (),
) -> Reach:
    """Which candidates something applies to: all, unless said otherwise."""
    return Reach(
        purposes=frozenset(purposes),
        groups=frozenset(groups),
        actions=frozenset(actions),
        channels=frozenset(channels),
    )


def a_limit(
    name: str = "two-a-week",
    *,
    maximum: int = 2,
    window: timedelta | Window = WEEK,
    kinds: Sequence[ContactKind] = (ContactKind.DISPATCH,),
    per: str = "customer",
    per_channel: bool = False,
    purposes: Sequence[str] = (),
    groups: Sequence[str] = (),
    actions: Sequence[str] = (),
    channels: Sequence[str] = (),
    **more: Any,
) -> ContactLimit:
    """At most so many contacts within so long."""
    return ContactLimit(
        name=name,
        maximum=maximum,
        window=window if isinstance(window, Window) else Window(length=window),
        kinds=frozenset(kinds),
        per=per,
        per_channel=per_channel,
        reach=a_reach(purposes, groups, actions, channels),
        **more,
    )


def a_volume(name: str = "phones", *, maximum: int = 10, **more: Any) -> Volume:
    """So many units for all customers together."""
    return Volume(name=name, maximum=maximum, because=f"{name} are used up", **more)


def a_policy(
    name: str = "three-in-a-week",
    *,
    outcomes: Sequence[str] = ("impression",),
    times: int = 3,
    window: timedelta | Window = WEEK,
    silence: timedelta = 10 * DAY,
    purposes: Sequence[str] = (),
    groups: Sequence[str] = (),
    actions: Sequence[str] = (),
    channels: Sequence[str] = (),
    **more: Any,
) -> ContactPolicy:
    """After so many of an outcome within so long, silence."""
    return ContactPolicy(
        name=name,
        outcomes=frozenset(outcomes),
        times=times,
        window=window if isinstance(window, Window) else Window(length=window),
        silence=silence,
        because=more.pop("because", f"{name} was reached"),
        reach=a_reach(purposes, groups, actions, channels),
        **more,
    )


def quiet_hours(
    name: str = "night",
    starts: str = "21:00",
    ends: str = "08:00",
    *,
    waits: bool = False,
    days: Sequence[int] = range(7),
    reach: Reach | None = None,
    zone: Zone = Zone.CUSTOMER,
) -> QuietHours:
    """When nothing is sent."""
    return QuietHours(
        name=name,
        starts=time.fromisoformat(starts),
        ends=time.fromisoformat(ends),
        waits=waits,
        because=f"{name}: nothing is sent",
        days=frozenset(days),
        zone=zone,
        reach=reach or Reach(),
    )


def a_weight(target: str, percent: float, condition: str = "1 == 1") -> ContextWeight:
    """A weight of the context."""
    return ContextWeight(
        name=f"{target} {condition}",
        target=target,
        condition=compile_expression(condition),
        percent=percent,
    )


def a_purpose(
    name: str,
    *,
    refused_on: Sequence[str] = (),
    levels: Sequence[Level] = tuple(Level),
    lever: float = 0.0,
    **more: Any,
) -> Purpose:
    """A purpose, allowed by default on every channel but those of `refused_on`."""
    consent = {channel: channel not in refused_on for channel in CHANNELS}
    return Purpose(
        name=name, default_consent=consent, levels=frozenset(levels), lever=lever, **more
    )


def a_bundle(
    *actions: Action,
    limits: Sequence[ContactLimit] = (),
    weights: Sequence[ContextWeight] = (),
    purposes: Sequence[Purpose] = (),
    groups: Mapping[str, float] | None = None,
    max_ages: Mapping[str, timedelta] | None = None,
    fallbacks: Mapping[str, str] | None = None,
    minimum_propensity: float = 0.0,
    minimum_priority: float = 0.0,
    **more: Any,
) -> Bundle:
    """A business with these actions; the inbox uses what the e-mail says.

    The thresholds are those of every action that has none of its own.
    """
    known = {name: a_purpose(name) for name in PURPOSES}
    return Bundle(
        hash="sha256:test",
        name="test",
        currency="EUR",
        channels={
            name: Channel(
                name=name,
                in_page=name in IN_PAGE,
                like={"app": "web", "inbox": "email"}.get(name),
            )
            for name in CHANNELS
        },
        purposes=known | {purpose.name: purpose for purpose in purposes},
        groups=dict(groups or {}),
        actions={
            action.name: replace(
                action,
                minimum_propensity=action.minimum_propensity or minimum_propensity,
                minimum_priority=action.minimum_priority or minimum_priority,
            )
            for action in actions
        },
        limits=tuple(limits),
        context_weights=tuple(weights),
        holds={"complaint": complaint_terms()},
        max_ages=dict(max_ages or {}),
        fallbacks=dict(fallbacks or {}),
        **more,
    )


def complaint_terms() -> HoldTerms:
    """What a complaint's hold covers."""
    return HoldTerms(
        name="complaint",
        purposes=(SALES,),
        tags=(COMMERCIAL,),
        cool_down=timedelta(days=2),
        maximum=timedelta(days=90),
    )


def a_hold(
    case: str = "4711",
    *,
    seq: int = 1,
    since: datetime = NOW,
    until: datetime | None = None,
    purposes: Sequence[str] = (SALES,),
    tags: Sequence[str] = (COMMERCIAL,),
    state: HoldState = HoldState.ACTIVE,
    owner: str | None = None,
) -> Hold:
    """The hold of an open complaint."""
    return Hold(
        id=f"complaint:{case}",
        purposes=tuple(purposes),
        tags=tuple(tags),
        since=since,
        until=until,
        because=f"complaint {case} is open",
        owner=owner or f"complaint:{a_customer()}:{case}",
        seq=seq,
        state=state,
    )


def a_contact(
    contact_id: str = "m1",
    *,
    kind: ContactKind = ContactKind.DISPATCH,
    at: datetime = NOW - DAY,
    channel: str = "email",
    action: str = "upgrade",
    group: str = "internet",
    purpose: str = "sales",
    outcome: str = "",
) -> Contact:
    """One entry of the contact ledger."""
    return Contact(
        id=contact_id,
        kind=kind,
        at=round(at.timestamp() * 1000),
        channel=channel,
        action=action,
        group=group,
        purpose=purpose,
        outcome=outcome,
    )


def a_journey(kind: str = "complaint", stage: str = "open", **more: Any) -> JourneyState:
    """A running journey."""
    since = more.pop("since", NOW)
    return JourneyState(id=f"{kind}:{a_customer()}:1", kind=kind, stage=stage, since=since, **more)


def a_request(
    channel: str = "web", *placements: Placement, customer: str | None = None, **more: Any
) -> Request:
    """One question to the engine."""
    return Request(
        decision_id="01KJMK6G00ABCDEFGHJKMNPQRS",
        customer=customer or a_customer(),
        channel=channel,
        now=more.pop("now", NOW),
        seed=7,
        placements=placements or (Placement(),),
        **more,
    )


def a_snapshot(
    *, reconciled: bool = True, features: Mapping[str, Scalar] | None = None, **more: Any
) -> Snapshot:
    """All that is known of a customer; features of every loaded view, unless said otherwise."""
    times = more.pop("feature_times", dict.fromkeys(LOADED_VIEWS, NOW))
    return Snapshot(
        customer=a_customer(),
        reconciled=reconciled,
        features=dict(features or {}),
        feature_times=times,
        **more,
    )


def a_message(
    message_id: str = "m1",
    action: Action | None = None,
    *,
    channel: str = "email",
    customer: str | None = None,
    at: datetime = NOW,
    exempt: str | None = None,
) -> Message:
    """A message of a journey's step."""
    said = action or an_action("upgrade")
    return Message(
        message_id=message_id,
        customer=customer or a_customer(),
        external_customer="7590-VHVEG",
        channel=channel,
        action=said.name,
        treatment=f"{said.name}.{channel}",
        group=said.group,
        purpose=said.purpose,
        tags=said.tags,
        content={"body": said.name},
        decision_id="01KJMK6G00ABCDEFGHJKMNPQRS",
        journey="onboarding:x",
        step="welcome",
        at=at,
        exempt=exempt or said.exempt,
    )


def an_event(
    event_type: str = "complaint.opened",
    event_id: str = "e1",
    *,
    customer: str | None = None,
    at: datetime = NOW,
    **data: Any,
) -> Event:
    """Something that happened."""
    if event_type.startswith("complaint.") and "case" not in data:
        data["case"] = "4711"
    return Event(
        source="/crm",
        id=event_id,
        type=event_type,
        customer=customer or a_customer(),
        at=at,
        data=data,
    )
