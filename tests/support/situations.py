"""Bundles, questions and customers made up at random: whatever may come together, comes together.

Everything is drawn from one `Random`, so that a seed names a case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any, TypeVar

from engine import names
from engine.catalog import (
    Action,
    Bundle,
    ContactLimit,
    ContactPolicy,
    Exclusion,
    Exploration,
    Influencer,
    MarginFloor,
    Period,
    PlacementTerms,
    QuietHours,
    Rule,
    Scope,
    SessionTerms,
    Treatment,
    Volume,
    Window,
    Zone,
)
from engine.moment import moment
from engine.rules import compile_expression
from engine.types import (
    Contact,
    ContactKind,
    Hold,
    JourneyState,
    Level,
    Placement,
    Planned,
    Request,
    Reservation,
    Scalar,
    Scores,
    Session,
    Snapshot,
    Stage,
)
from engine.volumes import bucket
from tests.support.builders import (
    CHANNELS,
    DAY,
    NOW,
    PURPOSES,
    WEEK,
    a_bundle,
    a_limit,
    a_policy,
    a_purpose,
    a_reach,
    a_volume,
    a_weight,
    an_action,
    quiet_hours,
)

One = TypeVar("One")
GROUPS = ("g1", "g2", "g3")
TAGS = ("outreach", "commercial")
CONDITIONS = (
    "contract.type == 'A'",
    "contract.tenure_months >= 6",
    "known(billing.bill) and billing.bill < 50",
    "context.page == 'home' or model.churn > 0.5",
    "shown('*', 2, days=7)",
    "not ignored('a1', days=10)",
    "journey.complaint",
    "segment.old and not segment.rich",
    "segment.rich",
    "value.worth > 20",
    "request.weekday in ('monday', 'sunday') or request.local_hour < 12",
    "age.contract < 24",
    "1 < contract.tenure_months <= 12",
    "contract.type in ('A', 'B')",
    "journey.renewal.stage == 'open'",
    "journey.renewal.days_in_stage > 3",
    "contract.flag",
    "not contract.flag",
    "known(context.page)",
    "times_sent('*', days=30) < 3",
    "rejected('group:g1', days=60)",
    "1 == 1",
    "contract.type == 5",
    "(contract.tenure_months / billing.bill) > 0.2",
    "segment.met",
)
VALUES = (
    "10",
    "5.5",
    "billing.bill * 0.3",
    "value.worth",
    "max(1, contract.tenure_months)",
    "12 if segment.old else 3",
    "model.churn * 40",
    "-3",
    "contract.type",
    "round(billing.bill / 3, 2)",
    "times_shown('*', days=30)",
)
_PER = ("customer", "purpose", "group", "action")


def some(dice: Random, every: Iterable[One], share: float = 0.5) -> tuple[One, ...]:
    """Some of them."""
    return tuple(one for one in every if dice.random() < share)


# -- bundles


def any_bundle(dice: Random) -> Bundle:
    """A business with a little of everything."""
    actions = _actions(dice)
    called = tuple(one.name for one in actions)
    harmless = [one.name for one in actions if one.purpose in ("service", "nurture")]
    shown = {dice.choice(("*", "main")): dice.choice(harmless)} if harmless else {}
    return a_bundle(
        *actions,
        limits=[_limit(dice, n, called) for n in range(dice.choice((0, 1, 3)))],
        policies=tuple(_policy(dice, n, called) for n in range(dice.choice((0, 1, 3)))),
        quiet_hours=tuple(_hours(dice, n, called) for n in range(dice.choice((0, 0, 2)))),
        volumes=tuple(_volume(dice, n, called) for n in range(dice.choice((0, 0, 3)))),
        exclusions=tuple(_stop(dice, n, called) for n in range(dice.choice((0, 0, 2)))),
        margin_floors=tuple(_floor(dice, n) for n in range(dice.choice((0, 1, 2)))),
        influencers=tuple(_influencer(dice, n, called) for n in range(dice.choice((0, 2, 3)))),
        weights=[_weight(dice, called) for _ in range(dice.choice((0, 2, 4)))],
        purposes=[_purpose(dice, name) for name in PURPOSES],
        groups={"g1": dice.choice((0.0, 10.0))},
        fallbacks=shown if dice.random() < 0.6 else {},
        max_ages=dice.choice(({}, {"contract": WEEK}, {"contract": WEEK, "billing.bill": DAY})),
        exploration=_exploration(dice),
        session=_session_terms(dice),
        placements=_diversity(dice),
        segments={
            "old": compile_expression("contract.tenure_months >= 24 or segment.rich"),
            "rich": compile_expression("billing.bill > 80"),
            "met": compile_expression("shown('*', days=30)"),
        },
        values={"worth": compile_expression("billing.bill * 0.5")},
        zone="America/Los_Angeles",
        customer_zone=dice.choice((None, "context.time_zone")),
    )


def _actions(dice: Random) -> list[Action]:
    rules = [_rule(dice, number) for number in range(6)]
    called = [f"a{number}" for number in range(dice.choice((1, 3, 6, 12)))]
    return [_action(dice, name, called, rules) for name in called]


def _rule(dice: Random, number: int) -> Rule:
    return Rule(
        name=f"r{number}",
        stage=dice.choice((Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY)),
        condition=compile_expression(dice.choice(CONDITIONS)),
        unknown_passes=dice.random() < 0.5,
        because=f"because {number}",
    )


def _action(dice: Random, name: str, called: Sequence[str], rules: Sequence[Rule]) -> Action:
    purpose, order = dice.choice(PURPOSES), list(Stage)
    asked = dice.sample(rules, dice.choice((0, 0, 1, 2, 4)))
    margin = dice.choice((None, None, "20", "billing.bill", "3", "contract.type"))
    return an_action(
        name,
        purpose=purpose,
        tags=None if purpose == "sales" else some(dice, TAGS, 0.2),
        group=dice.choice(GROUPS),
        value=dice.choice(VALUES),
        prior=round(dice.random(), 3),
        treatments=[one for channel in CHANNELS for one in _ways(dice, name, channel, rules)],
        rules=sorted(asked, key=lambda rule: order.index(rule.stage)),
        starts=dice.choice((None,) * 6 + (date(2026, 3, 10),)),
        ends=dice.choice((None,) * 6 + (date(2026, 4, 1),)),
        exempt=dice.choice((None,) * 5 + ("service", "legal")),
        lever=dice.choice((0.0, 0.0, 20.0, -30.0)),
        mandatory=dice.random() < 0.08,
        only_for_journeys=dice.random() < 0.1,
        margin=None if margin is None else compile_expression(margin),
        new=dice.random() < 0.2,
        minimum_propensity=dice.choice((0.0, 0.0, 0.05, 0.3)),
        minimum_priority=dice.choice((0.0, 0.0, 1.0, 3.0)),
        requires=some(dice, [n for n in called if n < name], 0.05),
        brings=some(dice, [n for n in called if n != name], 0.05),
        only_as_member=dice.random() < 0.05,
    )


def _ways(dice: Random, name: str, channel: str, rules: Sequence[Rule]) -> Iterable[Treatment]:
    for number in range(dice.choice((0, 1, 1, 1, 2, 3))):
        place = dice.choice((None, None, None, "hero", "side"))
        needs = some(dice, ("billing.bill", "context.page"), 0.3) if dice.random() < 0.2 else ()
        yield Treatment(
            id=f"{name}.{channel}" + (f".{place}" if place else "") + f":{number}" * (number > 0),
            channel=channel,
            placement=place,
            content={"body": " ".join([name, *(f"{{{need}}}" for need in needs)])},
            tone=dice.choice(("neutral", "neutral", "empathetic")),
            needs=needs,
            rules=(dice.choice(rules),) if dice.random() < 0.2 else (),
            preference=dice.choice((0.0, 0.0, 0.5, 5.0)),
        )


def _reached(dice: Random, called: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {
        "purposes": some(dice, PURPOSES) if dice.random() < 0.5 else (),
        "groups": some(dice, GROUPS) if dice.random() < 0.3 else (),
        "actions": some(dice, called) if dice.random() < 0.3 else (),
        "channels": some(dice, CHANNELS, 0.6) if dice.random() < 0.3 else (),
    }


def _window(dice: Random) -> timedelta | Window:
    if dice.random() < 0.5:
        return dice.choice((DAY, WEEK, 30 * DAY))
    return Window(period=dice.choice(list(Period)), zone=dice.choice(list(Zone)))


def _limit(dice: Random, number: int, called: Sequence[str]) -> ContactLimit:
    return a_limit(
        f"l{number}",
        maximum=dice.choice((1, 1, 2, 3)),
        window=_window(dice),
        kinds=some(dice, ContactKind) or (ContactKind.DISPATCH,),
        per=dice.choice(_PER),
        per_channel=dice.random() < 0.3,
        scope=dice.choice((Scope.CUSTOMER, Scope.CUSTOMER, *Scope)),
        keeps_for_better=dice.choice((None, None, 2 * DAY)),
        **_reached(dice, called),
    )


def _policy(dice: Random, number: int, called: Sequence[str]) -> ContactPolicy:
    said = ("dispatch", "impression", "reject", "ignore", "later", "click", "delivery")
    return a_policy(
        f"p{number}",
        outcomes=some(dice, said, 0.35) or ("reject",),
        times=dice.choice((1, 2, 3)),
        window=_window(dice),
        silence=dice.choice((DAY, 10 * DAY, 60 * DAY)),
        per=dice.choice(_PER),
        per_channel=dice.random() < 0.3,
        scope=dice.choice((Scope.CUSTOMER, Scope.CUSTOMER, *Scope)),
        **_reached(dice, called),
    )


def _hours(dice: Random, number: int, called: Sequence[str]) -> QuietHours:
    return quiet_hours(
        f"q{number}",
        dice.choice(("21:00", "08:00")),
        dice.choice(("08:00", "20:00", "21:00")),
        waits=dice.random() < 0.5,
        days=some(dice, range(7), 0.7) or (0,),
        zone=dice.choice(list(Zone)),
        reach=a_reach(**_reached(dice, called)),
    )


def _volume(dice: Random, number: int, called: Sequence[str]) -> Volume:
    return a_volume(
        f"v{number}",
        maximum=dice.choice((1, 5, 10)),
        period=dice.choice((None, *Period)),
        per=dice.choice((None, None, "contract.type", "segment.old")),
        used_by=frozenset(some(dice, ("accept",))),
        minimum=dice.choice((0, 0, 1)),
        boost=dice.choice((0.0, 15.0)),
        reach=a_reach(**_reached(dice, called)),
    )


def _stop(dice: Random, number: int, called: Sequence[str]) -> Exclusion:
    return Exclusion(
        name=f"e{number}",
        because=f"stop {number}",
        reach=a_reach(**_reached(dice, called)),
        until=dice.choice((None, NOW + 10 * DAY, NOW + 40 * DAY)),
    )


def _floor(dice: Random, number: int) -> MarginFloor:
    return MarginFloor(
        name=f"f{number}",
        condition=compile_expression(dice.choice(CONDITIONS)),
        floor=dice.choice((5.0, 25.0)),
        because=f"floor {number}",
    )


def _target(dice: Random, called: Sequence[str]) -> str:
    kinds = (("group", GROUPS), ("purpose", PURPOSES), ("action", called))
    kind, every = dice.choice(kinds)
    return f"{kind}:{dice.choice(every)}"


def _influencer(dice: Random, number: int, called: Sequence[str]) -> Influencer:
    stage = dice.choice((None, None, "open"))
    return Influencer(
        name=f"i{number}",
        target=_target(dice, called),
        after="renewal" if stage else dice.choice(("*", "group:g1", "action:a1", "purpose:sales")),
        outcomes=frozenset(some(dice, ("later", "click", "impression", "dispatch", "reject"))),
        stage=stage,
        start=dice.choice((-30.0, 0.0, 10.0)),
        end=dice.choice((20.0, 60.0)),
        ramp=5 * DAY,
        step=dice.choice((None, DAY)),
        lasts=dice.choice((5 * DAY, 30 * DAY)),
    )


def _weight(dice: Random, called: Sequence[str]) -> Any:
    percent = dice.choice((30.0, -20.0, 250.0, -150.0))
    return a_weight(_target(dice, called), percent, dice.choice(CONDITIONS))


def _purpose(dice: Random, name: str) -> Any:
    return a_purpose(
        name,
        refused_on=some(dice, CHANNELS, 0.15),
        levels=dice.choice((tuple(Level), tuple(Level), (Level.FULL, Level.STALE), (Level.FULL,))),
        lever=dice.choice((0.0, 0.0, 12.5)),
        shadow_price=dice.choice((0.0, 0.0, 2.0)),
        most_value=dice.choice((None, None, 8.0)),
    )


def _exploration(dice: Random) -> Exploration:
    return dice.choice(
        (
            Exploration(),
            Exploration(),
            Exploration(smoothing_evidence=50.0),
            Exploration(thompson=True),
            Exploration(thompson=True, smoothing_evidence=20.0, mature_positives=100),
            Exploration(control_percent=50.0, mature_positives=200, immature_percent=10.0),
        )
    )


def _session_terms(dice: Random) -> SessionTerms:
    answers = frozenset({"reject", "accept"})
    return dice.choice(
        (
            SessionTerms(),
            SessionTerms(silenced_by=answers, remembers=frozenset({"page"})),
            SessionTerms(most_shown=2),
        )
    )


def _diversity(dice: Random) -> dict[str, PlacementTerms]:
    hero = PlacementTerms(name="hero", most_per_group=1)
    return dice.choice(({}, {"hero": hero}, {"*": PlacementTerms(name="*", most_per_purpose=1)}))


# -- what is known, and asked


def any_case(
    dice: Random, bundle: Bundle, features: Mapping[str, Scalar]
) -> tuple[Request, Snapshot]:
    """A question, and all that is known of whoever asks it."""
    now = NOW + timedelta(hours=dice.randrange(24 * 60), minutes=dice.randrange(60))
    request = _request(dice, bundle, now)
    known = {
        name: None if dice.random() < 0.1 else value
        for name, value in features.items()
        if dice.random() < 0.95
    }
    contacts = _contacts(dice, bundle, now, dice.choice((0, 0, 3, 8, 30)))
    snapshot = Snapshot(
        customer=request.customer,
        reconciled=dice.random() > 0.04,
        features=known,
        feature_times={
            view: now - dice.choice((0, 0, 0, 8, 31)) * DAY
            for view in sorted({name.partition(".")[0] for name in known})
            if dice.random() < 0.97
        },
        holds=tuple(_hold(dice, n, now) for n in range(dice.choice((0, 0, 0, 1, 2)))),
        consents={
            f"{purpose}:{channel}": dice.random() < 0.6
            for purpose in bundle.purposes
            for channel in bundle.channels
            if dice.random() < 0.2
        },
        contacts=contacts,
        circles={
            scope: _in_order((*contacts, *_contacts(dice, bundle, now, 4)))
            for scope in some(dice, ("account", "household"), 0.2)
        },
        journeys=tuple(_journey(dice, bundle, n, now) for n in range(dice.choice((0, 0, 1, 2)))),
        session=_session(dice, request) if dice.random() < 0.3 else None,
    )
    return request, _counted(dice, bundle, request, snapshot)


def _request(dice: Random, bundle: Bundle, now: Any) -> Request:
    places = dice.sample(("main", "hero", "side"), dice.choice((1, 1, 1, 2, 3)))
    return Request(
        decision_id="01KJMK6G00ABCDEFGHJKMNPQRS",
        customer=f"c{dice.randrange(10**6)}",
        channel=dice.choice(list(bundle.channels)),
        now=now,
        seed=dice.randrange(2**40),
        placements=tuple(Placement(name=n, limit=dice.choice((1, 2, 3, 5))) for n in places),
        context=_context(dice),
        purposes=some(dice, bundle.purposes, 0.4) if dice.random() < 0.2 else (),
        tags=some(dice, TAGS, 0.4) if dice.random() < 0.2 else (),
        journey=dice.choice(("", "", "renewal:c1:0")),
        superseded=dice.random() < 0.05,
    )


def _context(dice: Random) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if dice.random() < 0.6:
        said["page"] = dice.choice(("home", "billing", "plans", "cancel", 7))
    if dice.random() < 0.2:
        said["time_zone"] = dice.choice(("Europe/Berlin", "Asia/Tokyo", "Nowhere/X", 5))
    return said


def _contacts(dice: Random, bundle: Bundle, now: Any, count: int) -> tuple[Contact, ...]:
    actions = list(bundle.actions.values())
    focus = dice.sample(actions, min(len(actions), dice.choice((1, 2, len(actions)))))
    return _in_order([_contact(dice, bundle, now, n, dice.choice(focus)) for n in range(count)])


def _contact(dice: Random, bundle: Bundle, now: Any, number: int, action: Action) -> Contact:
    kind = dice.choice(list(ContactKind))
    answers = ("click", "accept", "reject", "later", "ignore", "answered", "convert")
    ago = dice.choice((600, 3_600, 86_400, 7 * 86_400, 40 * 86_400, 120 * 86_400))
    return Contact(
        id=f"k{number}",
        kind=kind,
        at=round(now.timestamp() * 1000) - int(ago * 1000 * dice.random()),
        channel=dice.choice(list(bundle.channels)),
        action=action.name,
        group=action.group,
        purpose=action.purpose,
        outcome=dice.choice(answers) if kind is ContactKind.RESPONSE else "",
    )


def _in_order(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    return tuple(sorted(contacts, key=lambda one: one.at))


def _hold(dice: Random, number: int, now: Any) -> Hold:
    return Hold(
        id=f"complaint:{number}",
        purposes=some(dice, ("sales", "retention", "survey")),
        tags=some(dice, TAGS) or ("commercial",),
        since=now - timedelta(hours=3),
        because=f"complaint {number} is open",
        owner=f"complaint:c1:{number}",
        seq=number,
        until=dice.choice((None, now + DAY, now - timedelta(hours=1))),
    )


def _journey(dice: Random, bundle: Bundle, number: int, now: Any) -> JourneyState:
    planned = Planned(
        at=now + timedelta(hours=dice.randrange(-5, 60)),
        channel=dice.choice(list(bundle.channels)),
        purpose=dice.choice(list(bundle.purposes)),
        value=round(dice.uniform(0, 60), 2),
    )
    kind = dice.choice(("complaint", "renewal"))
    return JourneyState(
        id=f"{kind}:c1:{number}",
        kind=kind,
        stage=dice.choice(("open", "approached")),
        since=now - dice.randrange(12) * DAY,
        planned=dice.choice((None, planned)),
    )


def _session(dice: Random, request: Request) -> Session:
    return Session(
        started=request.now - timedelta(minutes=60),
        last=request.now - timedelta(minutes=dice.choice((1, 10, 50))),
        channel=request.channel,
        context=_context(dice),
    )


def _counted(dice: Random, bundle: Bundle, request: Request, snapshot: Snapshot) -> Snapshot:
    """With how much of each volume is used, and what is kept for the customer."""
    lookup = names.names(request, snapshot, bundle, snapshot.features, {})
    then = moment(bundle, request.channel, request.now, snapshot, lookup)
    buckets = [(one, bucket(one, then)) for one in bundle.volumes]
    soon = request.now + timedelta(minutes=1)
    return replace(
        snapshot,
        volumes={
            name: dice.choice((0, 1, one.maximum - 1, one.maximum))
            for one, name in buckets
            if dice.random() < 0.7
        },
        reserved=tuple(
            Reservation(
                bucket=name,
                action=dice.choice(list(bundle.actions)),
                until=dice.choice((None, soon, request.now)),
            )
            for _, name in buckets
            if dice.random() < 0.3
        ),
    )


# -- models


class AnyScores:
    """Models that say anything: of all, of some, of none, in time or too late."""

    def __init__(self, dice: Random) -> None:
        self._seed = dice.random()
        self._mode = dice.choice(("all", "all", "all", "late", "none", "counted", "counted"))

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """A score of the customer, unless there is no model."""
        del features
        if self._mode == "none":
            return Scores(because=("no churn model",))
        return Scores(customer={"churn": round(self._seed, 9)}, backend="fake")

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """One score for each, or for those that there was time for."""
        del features
        if self._mode == "none":
            return Scores(acceptance=(None,) * len(pairs))
        dice, count = Random(self._seed), len(pairs)
        said = [None if dice.random() < 0.1 else round(dice.random() ** 3, 9) for _ in pairs]
        learned = dice.choice((0, 2_000))
        seen = tuple((dice.randrange(300), dice.randrange(3_000), learned) for _ in pairs)
        if self._mode == "late":
            count = int(count * self._seed)
        return Scores(
            acceptance=tuple(said[:count]),
            evidence=seen[:count] if self._mode == "counted" else (),
            models={"acceptance": "sha256:y"},
            backend="fake",
        )
