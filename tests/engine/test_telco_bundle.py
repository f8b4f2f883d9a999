"""The example business: complete, honest, tagged, and sensible for real customers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from engine.bundle import bundle_from_source, load_bundle
from engine.bundle_keys import COMMERCIAL_FACTS
from engine.catalog import Action, Bundle, Scope, Window
from engine.decide import decide
from engine.expressions import expressions
from engine.ledger.site import BUNDLES
from engine.names import ROOTS
from engine.treatments import PLACEHOLDER
from engine.types import (
    Contact,
    ContactKind,
    Decision,
    Hold,
    JourneyState,
    Level,
    Placement,
    Request,
    Scalar,
    Scores,
    Snapshot,
)
from feature_store.mapping import read_mapping
from feature_store.schema import FEATURES, PUSHED
from feature_store.tables import open_table

TELCO = Path(__file__).parents[3] / "shared/data/telco_churn/Telco-Customer-Churn.csv.gz"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPOKEN = ("web", "email", "whatsapp", "call")
COMPLAINT = {
    *("acknowledge-complaint", "complaint-update", "complaint-escalated"),
    *("complaint-resolution-check", "complaint-apology"),
}
ONBOARDING = {"welcome-message", "set-up-guide", "first-bill-explainer", "onboarding-check-in"}
RENEWAL = {"renewal-reminder", "renewal-save-offer", "renewal-call"}
CALLBACK = {"callback-booked", "callback-again", "callback-missed"}
FEEDBACK = {"feedback-received", "feedback-thanks", "feedback-changed", "feedback-explained"}
PULSE = {"pulse-call", "pulse-status", "pulse-path", "pulse-next-step"}
INQUIRY = {"inquiry-out-of-hours", "inquiry-late"}
ORDERS = {
    *("order-late", "order-news", "order-replacement"),
    *("order-credit", "order-follow-up"),
}
PAYMENTS = {
    *("payment-failed-notice", "payment-retry-reminder"),
    *("payment-call-offer", "payment-call"),
}
SURVEYS = {"post-resolution-survey", "onboarding-survey", "pulse-survey", "inquiry-survey"}
BUNDLE = load_bundle(
    BUNDLES / "telco", features=FEATURES, pushed=[view.name for view in PUSHED], today=NOW.date()
)
ACTIONS = tuple(BUNDLE.actions.values())

DSL_CUSTOMER: Mapping[str, Scalar] = {
    "profile.senior": False,
    "contract.type": "Month-to-month",
    "contract.tenure_months": 14,
    "contract.paperless": False,
    "contract.payment_method": "Mailed check",
    "services.phone": True,
    "services.multiple_lines": False,
    "services.internet": "DSL",
    "services.online_security": False,
    "services.online_backup": True,
    "services.device_protection": False,
    "services.tech_support": False,
    "services.streaming_tv": False,
    "services.streaming_movies": False,
    "billing.monthly_charges": 53.85,
}


class ChurnOf:
    """A scorer that knows the churn of a customer and no acceptance."""

    def __init__(self, churn: float) -> None:
        self._churn = churn

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        return Scores(customer={"churn": self._churn})

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        return Scores(acceptance=(None,) * len(pairs))


def answer(
    features: Mapping[str, Scalar],
    *,
    channel: str = "web",
    churn: float = 0.25,
    context: Mapping[str, Scalar] | None = None,
    complaint: bool = False,
    reconciled: bool = True,
    places: int = 1,
    **known: Any,
) -> Decision:
    request = Request(
        decision_id="d1",
        customer="c1",
        channel=channel,
        now=NOW,
        seed=1,
        placements=(Placement(limit=places),),
        context=context or {},
        explain=True,
    )
    journey = JourneyState(id="j1", kind="complaint", stage="open", since=NOW)
    snapshot = Snapshot(
        customer="c1",
        reconciled=reconciled,
        features=features,
        feature_times={name.split(".")[0]: NOW for name in features},
        holds=(a_hold(),) if complaint else (),
        journeys=known.pop("journeys", (journey,) * complaint),
        **known,
    )
    return decide(request, snapshot, BUNDLE, ChurnOf(churn))


def undropped(decision: Decision) -> list[str]:
    return [candidate.action for candidate in decision.candidates if not candidate.drops]


def stopped_by(decision: Decision, action: str) -> set[str]:
    return {d.rule for one in decision.candidates if one.action == action for d in one.drops}


def happened(action: str, kind: ContactKind, days: float, outcome: str = "") -> Contact:
    found, at = BUNDLE.actions[action], NOW - timedelta(days=days)
    return Contact(
        id=f"{action}:{days}:{outcome}",
        kind=kind,
        at=round(at.timestamp() * 1000),
        channel="web",
        action=action,
        group=found.group,
        purpose=found.purpose,
        outcome=outcome,
    )


def a_hold() -> Hold:
    terms = BUNDLE.holds["complaint"]
    return Hold(
        id="complaint:1",
        purposes=terms.purposes,
        tags=terms.tags,
        since=NOW,
        because="complaint 1 is open",
        owner="complaint:c1:1",
        seq=1,
    )


def texts(action: Action) -> list[str]:
    return [text for treatment in action.treatments for text in treatment.content.values()]


def test_it_has_enough_actions_of_every_purpose_on_every_channel() -> None:
    assert len(ACTIONS) >= 24
    purposes = Counter(action.purpose for action in ACTIONS)
    assert {"sales", "retention", "service", "nurture", "survey"} <= set(purposes)
    assert min(purposes["sales"], purposes["service"]) >= 8
    for action in ACTIONS:
        general = {t.channel for t in action.treatments if t.placement is None}
        assert general == set(SPOKEN), action.name


def test_it_uses_only_features_that_the_feature_store_knows() -> None:
    used = {name for _, one in expressions(BUNDLE) for name in one.names}
    used |= {name for a in ACTIONS for treatment in a.treatments for name in treatment.needs}
    assert {name for name in used if name.split(".")[0] not in ROOTS} <= set(FEATURES)
    assert {name for name in used if name.startswith("model.")} == {"model.churn"}


def test_nobody_is_chosen_or_left_out_by_gender_age_or_family() -> None:
    found = [one for _, one in expressions(BUNDLE)]
    assert not [one.text for one in found if any(n.startswith("profile.") for n in one.names)]


def test_everything_with_a_price_a_discount_or_a_contract_change_is_commercial() -> None:
    for action in ACTIONS:
        facts = {key for t in action.treatments for key in t.content} & set(COMMERCIAL_FACTS)
        assert ("commercial" in action.tags) == (bool(facts) or action.purpose == "sales")
        if "commercial" not in action.tags:
            said = " ".join(texts(action))
            assert not re.search(r"\$(?!\{)|discount|% |percent", said), action.name


def test_the_source_of_the_bundle_gives_it_again() -> None:
    assert bundle_from_source(BUNDLE.source) == BUNDLE


def test_the_actions_that_only_journeys_send_say_so() -> None:
    only = {action.name for action in ACTIONS if action.only_for_journeys}
    known = COMPLAINT | ONBOARDING | RENEWAL | CALLBACK | FEEDBACK | PULSE | SURVEYS
    known |= INQUIRY | ORDERS | PAYMENTS
    assert only == known | {"terms-notice", "purchase-help"}
    tags = (
        *((COMPLAINT, "complaint"), (ONBOARDING, "onboarding"), (RENEWAL, "renewal")),
        *((CALLBACK, "callback"), (FEEDBACK, "feedback"), (PULSE, "pulse")),
        *((INQUIRY, "inquiry"), (ORDERS, "order-delay"), (PAYMENTS, "failed-payment")),
        ({"purchase-help"}, "help"),
    )
    for names, tag in tags:
        assert all(tag in BUNDLE.actions[name].tags for name in names)


OWED = {
    *(COMPLAINT | ONBOARDING | CALLBACK | FEEDBACK | PULSE | INQUIRY | ORDERS),
    "renewal-reminder",
}


@pytest.mark.parametrize("name", sorted(OWED))
def test_what_journeys_owe_the_customer_is_service_exempt_and_sells_nothing(name: str) -> None:
    action = BUNDLE.actions[name]
    assert (action.purpose, action.exempt) == ("service", "service")
    assert "commercial" not in action.tags


@pytest.mark.parametrize("name", sorted(PAYMENTS))
def test_what_is_said_of_a_failed_payment_sells_nothing_and_waits_for_the_day(name: str) -> None:
    action = BUNDLE.actions[name]
    assert (action.purpose, action.exempt) == ("collections", None)
    assert "commercial" not in action.tags


def test_whatever_is_said_about_a_complaint_is_said_with_empathy() -> None:
    for action in ACTIONS:
        if "complaint" in action.tags:
            assert {treatment.tone for treatment in action.treatments} == {"empathetic"}


def test_the_renewal_offers_are_commercial_and_the_reminder_and_check_up_are_not() -> None:
    commercial = {action.name for action in ACTIONS if "commercial" in action.tags}
    assert {"renewal-save-offer", "renewal-call", "loyalty-discount"} <= commercial
    assert not {"renewal-reminder", "plan-check-up"} & commercial
    upgrade = BUNDLE.actions["upgrade-fiber"]
    assert (upgrade.purpose, upgrade.group, upgrade.tags) == ("sales", "internet", ("commercial",))
    assert "upgrade-fiber.web.hero" in {treatment.id for treatment in upgrade.treatments}


def test_app_and_inbox_speak_as_web_and_email_do() -> None:
    assert (BUNDLE.channels["app"].like, BUNDLE.channels["inbox"].like) == ("web", "email")
    assert not BUNDLE.channels["inbox"].in_page


def test_email_and_whatsapp_need_an_opt_in_except_for_what_is_owed() -> None:
    for name in ("sales", "retention", "nurture", "survey"):
        consent = BUNDLE.purposes[name].default_consent
        allowed = {channel for channel, granted in consent.items() if granted}
        assert allowed == {"web", "app", "call", "inbox"}
    assert all(BUNDLE.purposes["service"].default_consent.values())


def test_a_complaint_holds_sales_and_commercial_and_cools_down_for_two_days() -> None:
    terms = BUNDLE.holds["complaint"]
    assert (terms.purposes, terms.tags) == (("sales",), ("commercial",))
    assert (terms.cool_down, terms.maximum) == (timedelta(hours=48), timedelta(days=90))


def test_the_limits_bound_marketing_impressions_and_surveys() -> None:
    limits = {limit.name: limit for limit in BUNDLE.limits}
    weekly = limits["marketing-messages-in-a-week"]
    assert (weekly.maximum, weekly.per) == (2, "customer")
    assert weekly.window == Window(length=timedelta(days=7))
    assert weekly.reach.purposes == {"sales", "retention", "nurture"}
    assert not weekly.reach.channels
    assert limits["sales-emails-in-a-week"].maximum == 1
    screen = limits["same-action-on-screen-in-a-week"]
    assert (screen.maximum, screen.per, screen.kinds) == (3, "action", {ContactKind.IMPRESSION})
    survey = limits["surveys-in-a-quarter"]
    assert (survey.maximum, survey.window) == (1, Window(length=timedelta(days=90)))


def test_only_pushed_features_grow_old() -> None:
    pushed = {view.name for view in PUSHED}
    assert {name.split(".")[0] for name in BUNDLE.max_ages} == pushed
    assert BUNDLE.max_ages["service"] == timedelta(days=90)
    assert BUNDLE.max_ages["behaviour.page_views_7d"] < BUNDLE.max_ages["behaviour"]


def test_the_fallback_sells_nothing_and_counts_towards_no_limit() -> None:
    fallback = BUNDLE.actions[BUNDLE.fallbacks["*"]]
    assert fallback.exempt == "service"
    assert fallback.rules == ()
    assert Level.STATIC in BUNDLE.purposes[fallback.purpose].levels


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_the_copy_is_short_and_finished(action: Action) -> None:
    for treatment in action.treatments:
        said = {key: PLACEHOLDER.sub("12", text) for key, text in treatment.content.items()}
        assert len(said.get("headline", "")) <= 60
        assert len(said.get("button", "")) <= 30
        assert len(said.get("subject", "")) <= 60
        assert len(said.get("body", "")) <= (160 if treatment.channel != "email" else 400)
        assert not re.search(r"TODO|TBD|lorem|\{|\}|  |!", " ".join(said.values())), treatment.id
    for rule in action.rules:
        assert re.fullmatch(r"[A-Z].*\.", rule.because), rule.name


def test_a_typical_customer_is_offered_fiber_first_on_the_web() -> None:
    decision = answer(DSL_CUSTOMER)
    assert decision.level is Level.FULL
    assert [offer.action for offer in decision.offers] == ["upgrade-fiber"]
    sales = [name for name in undropped(decision) if BUNDLE.actions[name].purpose == "sales"]
    assert len(sales) >= 4


def test_a_wholly_unknown_customer_can_still_be_offered_something() -> None:
    decision = answer({})
    assert {"explore-plans", "online-security-suite"} <= set(undropped(decision))
    assert decision.offers[0].purpose == "sales"


@pytest.mark.parametrize("channel", ["web", "app", "call", "email", "whatsapp", "inbox"])
def test_an_open_complaint_turns_every_channel_to_empathetic_help(channel: str) -> None:
    features = {**DSL_CUSTOMER, "service.complaints_open": 1}
    decision = answer(features, channel=channel, complaint=True)
    assert [offer.action for offer in decision.offers] == ["complaint-status"]
    left = [BUNDLE.actions[name] for name in undropped(decision)]
    assert not [action.name for action in left if "commercial" in action.tags]
    assert not {"retention", "survey", "sales"} & {action.purpose for action in left}


def test_a_complaint_is_recognised_before_its_journey_or_its_features_are_there() -> None:
    by_features = answer({**DSL_CUSTOMER, "service.complaints_open": 1})
    assert by_features.offers[0].action == "complaint-status"
    by_journey = answer(DSL_CUSTOMER, complaint=True)
    assert by_journey.offers[0].action == "complaint-status"


def test_after_the_solution_nobody_is_told_that_we_still_work_on_it() -> None:
    features = {**DSL_CUSTOMER, "service.complaints_open": 0}
    decision = answer(features, complaint=True)
    assert decision.offers[0].action == "complaint-aftercare"
    assert "complaint-status" not in undropped(decision)


def test_state_that_can_not_be_read_leaves_only_what_is_owed() -> None:
    decision = answer(DSL_CUSTOMER, reconciled=False)
    assert decision.offers
    for name in undropped(decision):
        assert BUNDLE.actions[name].exempt


def test_the_billing_page_lifts_help_with_the_bill() -> None:
    def priority(context: Mapping[str, str]) -> float:
        decision = answer(DSL_CUSTOMER, context=context)
        (found,) = [c for c in decision.candidates if c.action == "billing-help"]
        return found.priority or 0.0

    assert abs(priority({"page": "billing"}) - 2.5 * priority({"page": "home"})) < 1e-6


def test_a_caller_who_wants_to_leave_is_listened_to() -> None:
    decision = answer(DSL_CUSTOMER, channel="call", churn=0.6, context={"reason": "cancel"})
    assert decision.offers[0].purpose == "retention"


def test_the_discount_is_for_customers_who_may_well_leave() -> None:
    assert "loyalty-discount" in undropped(answer(DSL_CUSTOMER, churn=0.6))
    assert "loyalty-discount" not in undropped(answer(DSL_CUSTOMER, churn=0.1))


def real_customers(count: int) -> list[dict[str, Scalar]]:
    if not TELCO.exists():
        pytest.skip(f"{TELCO.name} is not there")
    sources = read_mapping().sources
    with open_table(TELCO) as table:
        lines = list(islice(table.lines, count))
    return [{source.feature: source.read(line.cells) for source in sources} for line in lines]


def test_real_customers_nearly_always_have_several_offers_and_see_one_first() -> None:
    decisions = [answer(features) for features in real_customers(300)]
    sales = [
        sum(BUNDLE.actions[name].purpose == "sales" for name in undropped(decision))
        for decision in decisions
    ]
    assert min(sales) >= 1
    assert sum(number >= 2 for number in sales) >= 0.95 * len(sales)
    first = Counter(decision.offers[0].purpose for decision in decisions)
    assert first["sales"] >= 0.85 * len(decisions)


def test_values_of_real_customers_are_expected_contributions() -> None:
    spans = {"sales": (30, 260), "retention": (0, 800)}
    for features in real_customers(60):
        for churn in (0.05, 0.4, 0.9):
            for candidate in answer(features, churn=churn).candidates:
                if not candidate.drops:
                    low, high = spans.get(BUNDLE.actions[candidate.action].purpose, (5, 20))
                    assert low <= (candidate.value or 0) <= high, candidate.action


def test_it_uses_every_kind_of_term() -> None:
    left_out = [one.name for one in fields(BUNDLE) if not getattr(BUNDLE, one.name)]
    assert left_out == ["week_starts", "models"]  # a week starts on Monday, which is 0
    treatments = [treatment for action in ACTIONS for treatment in action.treatments]
    for used in ("requires", "brings", "only_as_member", "margin", "mandatory", "starts"):
        assert any(getattr(action, used) for action in ACTIONS), used
    for used in ("rules", "needs", "preference", "placement"):
        assert any(getattr(treatment, used) for treatment in treatments), used
    assert {action.exempt for action in ACTIONS} >= {"service", "legal", "transactional"}
    assert {hours.waits for hours in BUNDLE.quiet_hours} == {True, False}
    assert {limit.scope for limit in BUNDLE.limits} >= {Scope.CUSTOMER, Scope.HOUSEHOLD}


@pytest.mark.parametrize(
    ("context", "sells"),
    [
        ({}, True),
        ({"reason": "sales"}, True),
        ({"reason": "technical"}, False),
        ({"reason": "technical", "resolved": True}, False),
        ({"reason": "technical", "resolved": True, "mood": "upset"}, False),
        ({"reason": "technical", "resolved": False, "mood": "calm"}, False),
        ({"reason": "technical", "resolved": True, "mood": "calm"}, True),
    ],
    ids=str,
)
def test_in_a_service_call_something_is_sold_only_once_it_is_solved_in_a_good_mood(
    context: Mapping[str, Scalar], sells: bool
) -> None:
    decision = answer(DSL_CUSTOMER, channel="call", context=context)
    assert any(BUNDLE.actions[name].purpose == "sales" for name in undropped(decision)) is sells
    by_rule = "fits-the-contact" in stopped_by(decision, "upgrade-fiber")
    assert by_rule is not sells


def test_the_script_of_a_call_knows_what_was_said_before() -> None:
    def script(*contacts: Contact) -> str:
        decision = answer(DSL_CUSTOMER, channel="call", contacts=contacts)
        return decision.offers[0].treatment

    assert script() == "upgrade-fiber.call"
    lately = happened("upgrade-fiber", ContactKind.IMPRESSION, days=2)
    assert script(lately) == "upgrade-fiber.call:seen-online"
    assert (
        script(happened("upgrade-fiber", ContactKind.IMPRESSION, days=20)) == "upgrade-fiber.call"
    )


def test_who_looks_at_bills_reads_the_amount_if_it_is_known() -> None:
    context = {"page": "billing"}
    told = {one.treatment for one in answer(DSL_CUSTOMER, context=context, places=50).offers}
    assert "billing-help.web:with-the-amount" in told
    unknown = {name: v for name, v in DSL_CUSTOMER.items() if not name.startswith("billing.")}
    told = {one.treatment for one in answer(unknown, context=context, places=50).offers}
    assert {"billing-help.web"} == {one for one in told if one.startswith("billing-help")}


def test_who_paid_late_is_offered_nothing_that_hardly_earns_anything() -> None:
    late = {**DSL_CUSTOMER, "behaviour.payments_failed_90d": 1}
    assert stopped_by(answer(late), "device-protection") == {"margin:late-payers"}
    assert stopped_by(answer(DSL_CUSTOMER), "device-protection") == set()
    assert stopped_by(answer(late), "upgrade-fiber") == set()


def test_a_no_is_heard_for_three_months() -> None:
    def stopped(days: float) -> set[str]:
        no = happened("upgrade-fiber", ContactKind.RESPONSE, days=days, outcome="reject")
        return stopped_by(answer(DSL_CUSTOMER, contacts=(no,)), "upgrade-fiber")

    assert stopped(89.9) == {"policy:said-no"}
    assert stopped(90.1) == set()


def test_three_times_without_an_answer_is_enough_for_a_while() -> None:
    seen = [happened("streaming-tv", ContactKind.IMPRESSION, days=days) for days in (10, 9, 8)]
    assert stopped_by(answer(DSL_CUSTOMER, contacts=seen), "streaming-tv") == {
        "policy:nobody-looked"
    }
    answered = happened("streaming-tv", ContactKind.RESPONSE, days=7.9, outcome="click")
    assert not stopped_by(answer(DSL_CUSTOMER, contacts=(*seen, answered)), "streaming-tv")


def test_nobody_is_surveyed_while_something_is_under_way_or_shortly_after_a_complaint() -> None:
    renewal = JourneyState(id="r1", kind="renewal", stage="approached", since=NOW)
    found = answer(DSL_CUSTOMER, journeys=(renewal,))
    assert stopped_by(found, "satisfaction-survey") == {"nothing-is-under-way"}
    word = happened("complaint-apology", ContactKind.DISPATCH, days=13)
    found = answer(DSL_CUSTOMER, contacts=(word,))
    assert stopped_by(found, "satisfaction-survey") == {"complaint-has-settled"}
    assert stopped_by(answer(DSL_CUSTOMER), "satisfaction-survey") == set()


def test_the_welcome_router_is_offered_while_stocks_last() -> None:
    newcomer = {**DSL_CUSTOMER, "contract.tenure_months": 3}
    offered = {one.action for one in answer(newcomer, places=50).offers}
    assert "welcome-router" in offered
    gone = answer(newcomer, places=50, volumes={"welcome-routers|ever": 500})
    assert "welcome-router" not in {one.action for one in gone.offers}
    assert stopped_by(gone, "welcome-router") == {"volume:welcome-routers"}


def test_the_protection_pack_brings_its_members_where_there_is_room() -> None:
    wants_more = {
        **DSL_CUSTOMER,
        "services.internet": "Fiber optic",
        "services.count": 4,
        "services.online_backup": False,
        "services.streaming_tv": True,
    }
    offers = answer(wants_more, places=3).offers
    assert [(one.action, one.part_of) for one in offers] == [
        ("home-protection-pack", None),
        ("online-security-suite", "home-protection-pack"),
        ("online-backup", "home-protection-pack"),
    ]
    (alone,) = answer(wants_more).offers
    assert alone.action == "online-security-suite"


def test_only_journeys_and_marketing_wait_for_the_morning() -> None:
    for hours in BUNDLE.quiet_hours:
        assert "service" not in hours.reach.purposes
        assert hours.waits or "collections" not in hours.reach.purposes
    commercial = {action.name for action in ACTIONS if "commercial" in action.tags}
    assert not any(BUNDLE.actions[name].exempt for name in commercial)


def test_it_is_the_bundle_that_a_stack_loads_unless_told_otherwise(tmp_path: Path) -> None:
    bundle: Bundle = load_bundle(BUNDLES / "telco", models={"churn": "sha256:1"})
    assert bundle.models == {"churn": "sha256:1"}
    assert bundle.actions == BUNDLE.actions
    assert bundle.hash != BUNDLE.hash
