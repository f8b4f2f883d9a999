"""The funnel: who may hear what, why not, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.catalog import Action, Bundle
from engine.decide import decide
from engine.types import (
    Candidate,
    ContactKind,
    Decision,
    Level,
    Placement,
    Scalar,
    Scores,
    Snapshot,
    Stage,
    Status,
)
from tests.support.builders import (
    CHANNELS,
    DAY,
    NOW,
    WEEK,
    a_bundle,
    a_contact,
    a_hold,
    a_journey,
    a_limit,
    a_purpose,
    a_request,
    a_rule,
    a_snapshot,
    a_treatment,
    a_weight,
    an_action,
)
from tests.support.ledgers import NoModels

IMPRESSION = ContactKind.IMPRESSION


class FixedScores:
    """A scorer that knows the acceptance of some actions."""

    def __init__(self, **known: float) -> None:
        self.known = known

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        return Scores(customer={"churn": 0.8}, models={"churn": "sha256:c"}, backend="fixed")

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        said = tuple(self.known.get(action.name.replace("-", "_")) for action, _ in pairs)
        return Scores(acceptance=said, models={"acceptance": "sha256:a"}, backend="fixed")


def decided(
    bundle: Bundle,
    snapshot: Snapshot | None = None,
    *,
    channel: str = "web",
    placements: Sequence[Placement] = (),
    **request: Any,
) -> Decision:
    """A decision at the usual moment."""
    asked = a_request(channel, *placements, **request)
    return decide(asked, snapshot or a_snapshot(), bundle, FixedScores())


def candidate(decision: Decision, name: str) -> Candidate:
    """What became of one action."""
    return next(one for one in decision.candidates if one.action == name)


def shown(decision: Decision) -> list[str]:
    """The actions that are offered."""
    return [offer.action for offer in decision.offers]


def why(bundle: Bundle, snapshot: Snapshot | None = None, **request: Any) -> tuple[object, ...]:
    """Stage, rule and end of the first drop of the action `one`."""
    decision = decided(bundle, snapshot, **request)
    assert "one" not in shown(decision)
    found = candidate(decision, "one")
    assert found.status is Status.DROPPED
    drop = found.drops[0]
    assert drop.detail
    assert decision.funnel[drop.stage][drop.rule] == 1
    return drop.stage, drop.rule, drop.until


def test_the_best_action_is_offered() -> None:
    bundle = a_bundle(an_action("small", value=1), an_action("large", value=9))
    decision = decided(bundle)
    assert shown(decision) == ["large"]
    assert candidate(decision, "small").status is Status.PASSED
    assert decision.level is Level.FULL
    assert decision.because == ()
    assert decision.bundle == bundle.hash
    assert decision.funnel == {}


def test_an_action_that_has_not_started_says_when_it_does() -> None:
    bundle = a_bundle(an_action("one", starts=(NOW + 3 * DAY).date()))
    start = datetime(2026, 3, 5, tzinfo=NOW.tzinfo)
    assert why(bundle) == (Stage.AVAILABILITY, "starts", start)


def test_an_action_that_has_ended_never_returns() -> None:
    bundle = a_bundle(an_action("one", ends=(NOW - DAY).date()))
    assert why(bundle) == (Stage.AVAILABILITY, "ends", None)


def test_the_first_and_the_last_day_count() -> None:
    bundle = a_bundle(an_action("one", starts=NOW.date(), ends=NOW.date()))
    assert shown(decided(bundle)) == ["one"]


def test_an_action_without_words_for_the_channel_is_dropped() -> None:
    bundle = a_bundle(an_action("one", channels=["email"]))
    assert why(bundle) == (Stage.CHANNEL, "no_treatment", None)


def test_a_hold_says_until_when_it_lasts() -> None:
    end = NOW + 5 * DAY
    snapshot = a_snapshot(holds=(a_hold(until=end),))
    assert why(a_bundle(an_action("one")), snapshot) == (Stage.HOLD, "hold:complaint:4711", end)


@pytest.mark.parametrize("stage", [Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY])
def test_a_rule_that_fails_is_named_with_its_stage(stage: Stage) -> None:
    bundle = a_bundle(an_action("one", rules=[a_rule("contract.age >= 18", stage=stage)]))
    young = a_snapshot(features={"contract.age": 17})
    assert why(bundle, young) == (stage, "rule", None)
    assert shown(decided(bundle, a_snapshot(features={"contract.age": 18}))) == ["one"]


def test_an_unknown_feature_counts_as_each_rule_says() -> None:
    strict = an_action("one", rules=[a_rule("contract.age >= 18")])
    lenient = an_action("two", rules=[a_rule("contract.age >= 18", unknown_passes=True)])
    decision = decided(a_bundle(strict, lenient))
    assert shown(decision) == ["two"]
    assert candidate(decision, "one").drops[0].detail.startswith("not known")


def test_a_refused_consent_drops_the_purpose_on_that_channel_only() -> None:
    bundle = a_bundle(an_action("one"))
    refused = a_snapshot(consents={"sales:web": False})
    assert why(bundle, refused) == (Stage.CONSENT, "consent:sales:web", None)
    assert shown(decided(bundle, refused, channel="call")) == ["one"]


def test_consent_is_three_valued() -> None:
    opt_in = a_bundle(an_action("one"), purposes=[a_purpose("sales", refused_on=["web"])])
    assert why(opt_in)[0] is Stage.CONSENT
    assert shown(decided(opt_in, a_snapshot(consents={"sales:web": True}))) == ["one"]
    assert shown(decided(opt_in, channel="app")) == ["one"]


def test_a_full_limit_says_when_it_frees() -> None:
    limit = a_limit("impressions", maximum=1, kinds=[IMPRESSION])
    bundle = a_bundle(an_action("one"), limits=[limit])
    snapshot = a_snapshot(contacts=(a_contact(kind=IMPRESSION, at=NOW - 2 * DAY),))
    assert why(bundle, snapshot) == (Stage.CONTACT_LIMIT, "limit:impressions", NOW + 5 * DAY)


def test_a_level_that_a_purpose_does_not_allow_drops_it() -> None:
    full_only = a_purpose("sales", levels=[Level.FULL])
    bundle = a_bundle(an_action("one"), purposes=[full_only])
    nobody = a_snapshot(feature_times={})
    assert why(bundle, nobody) == (Stage.LEVEL, "level:partial", None)


def test_thresholds_drop_what_is_too_weak() -> None:
    bundle = a_bundle(an_action("one", prior=0.01), minimum_propensity=0.02)
    assert why(bundle) == (Stage.PROPENSITY, "minimum_propensity", None)
    bundle = a_bundle(an_action("one", value=1, prior=0.1), minimum_priority=0.2)
    assert why(bundle) == (Stage.ARBITRATION, "minimum_priority", None)


def test_a_mandatory_action_passes_the_thresholds_and_leads() -> None:
    must = an_action("must", purpose="service", value=0, prior=0.001, mandatory=True)
    bundle = a_bundle(an_action("best", value=99), must, minimum_propensity=0.1, minimum_priority=1)
    decision = decided(bundle, placements=(Placement(limit=2),))
    assert shown(decision) == ["must", "best"]


# -- holds


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_open_complaint_silences_everything_that_sells_on_every_channel(channel: str) -> None:
    bundle = a_bundle(
        an_action("sale"),
        an_action("save-offer", purpose="retention", tags=["commercial", "renewal"]),
        an_action("commercial-service", purpose="service", tags=["commercial"], exempt="service"),
        an_action("untagged-sale", tags=[]),
        an_action("exempt-sale", tags=[], exempt="legal"),
        an_action("must-sell", mandatory=True),
        an_action("for-journeys", only_for_journeys=True),
        an_action("help", purpose="service", exempt="service"),
    )
    everywhere = (Placement(limit=9),)
    held = a_snapshot(holds=(a_hold(),))
    assert shown(decided(bundle, held, channel=channel, placements=everywhere)) == ["help"]
    asked = decided(bundle, held, channel=channel, tags=("commercial",), placements=everywhere)
    assert shown(asked) == []
    assert {"for-journeys", "sale"} <= {one.action for one in asked.candidates}
    assert [hold.id for hold in asked.holds] == ["complaint:4711"]


def test_exempt_service_passes_a_hold_on_its_own_purpose() -> None:
    service = a_hold(purposes=["service"])
    bundle = a_bundle(
        an_action("help", purpose="service", exempt="service"),
        an_action("news", purpose="service"),
    )
    decision = decided(bundle, a_snapshot(holds=(service,)), placements=(Placement(limit=9),))
    assert shown(decision) == ["help"]


def test_a_hold_that_has_passed_its_end_silences_nothing() -> None:
    bundle = a_bundle(an_action("one"))
    over = a_snapshot(holds=(a_hold(until=NOW),))
    decision = decided(bundle, over)
    assert shown(decision) == ["one"]
    assert decision.holds == ()
    almost = a_snapshot(holds=(a_hold(until=NOW + timedelta(milliseconds=1)),))
    assert why(bundle, almost)[0] is Stage.HOLD


def test_two_complaints_hold_until_both_are_over() -> None:
    bundle = a_bundle(an_action("one"))
    holds = (a_hold("1", until=NOW - DAY), a_hold("2"))
    assert why(bundle, a_snapshot(holds=holds))[1] == "hold:complaint:2"


def test_a_held_customer_hears_the_empathetic_words() -> None:
    warm = a_treatment("help", "web", tone="empathetic")
    plain = a_treatment("help", "web")
    help_action = an_action("help", purpose="service", treatments=[plain, warm])
    bundle = a_bundle(help_action)
    assert [o.treatment for o in decided(bundle).offers] == [plain.id]
    held = decided(bundle, a_snapshot(holds=(a_hold(),)))
    assert [o.treatment for o in held.offers] == [warm.id]


# -- what is not known


def test_without_the_live_state_nothing_commercial_or_limited_is_offered() -> None:
    impressions = a_limit(kinds=[IMPRESSION], purposes=["survey"])
    bundle = a_bundle(
        an_action("sale"),
        an_action("save-offer", purpose="retention", tags=["commercial"]),
        an_action("tip", purpose="nurture"),
        an_action("survey", purpose="survey"),
        an_action("help", purpose="service", exempt="service"),
        an_action("priced-help", purpose="service", tags=["commercial"], exempt="service"),
        limits=[impressions],
    )
    decision = decided(bundle, a_snapshot(reconciled=False), placements=(Placement(limit=9),))
    assert shown(decision) == ["help"]
    assert decision.level is Level.STATIC
    assert decision.funnel == {Stage.LEVEL: {"not_reconciled": 5}}


def test_an_unknown_customer_gets_an_answer_from_defaults() -> None:
    decision = decided(a_bundle(an_action("one")), a_snapshot(feature_times={}))
    assert shown(decision) == ["one"]
    assert decision.level is Level.PARTIAL
    assert decision.because == ("no features are known of this customer",)


def test_a_view_that_is_missing_is_named() -> None:
    times = {"profile": NOW, "contract": NOW, "services": NOW}
    decision = decided(a_bundle(an_action("one")), a_snapshot(feature_times=times))
    assert decision.level is Level.PARTIAL
    assert decision.because == ("no billing features are known of this customer",)


def test_features_that_are_too_old_are_unknown_and_the_answer_says_so() -> None:
    rule = a_rule("behaviour.page_views_7d > 3")
    bundle = a_bundle(an_action("one", rules=[rule]), max_ages={"behaviour": 30 * DAY})
    times = a_snapshot().feature_times
    features = {"behaviour.page_views_7d": 9}
    old = a_snapshot(features=features, feature_times={**times, "behaviour": NOW - 31 * DAY})
    decision = decided(bundle, old)
    assert shown(decision) == []
    assert decision.level is Level.STALE
    assert decision.because == ("behaviour features are 31 days old; 30 days are allowed",)
    fresh = a_snapshot(features=features, feature_times={**times, "behaviour": NOW - 30 * DAY})
    assert shown(decided(bundle, fresh)) == ["one"]


def test_without_models_priors_are_used_and_the_answer_says_so() -> None:
    bundle = a_bundle(an_action("one", prior=0.25))
    decision = decide(a_request(), a_snapshot(), bundle, NoModels())
    assert decision.level is Level.PARTIAL
    assert decision.because == ("no acceptance model: prior propensities are used",)
    assert decision.offers[0].propensity == 0.25


def test_a_superseded_answer_says_so() -> None:
    assert decided(a_bundle(an_action("one")), superseded=True).because == ("superseded",)


def test_models_and_journeys_can_be_used_by_rules() -> None:
    risky = a_rule("model.churn > 0.5", name="risky")
    calm = a_rule("not journey.complaint", name="calm")
    bundle = a_bundle(an_action("one", rules=[risky, calm]))
    assert shown(decided(bundle)) == ["one"]
    assert why(bundle, a_snapshot(journeys=(a_journey(),)))[1] == "calm"
    stage = an_action("two", rules=[a_rule("journey.complaint.stage == 'open'")])
    assert shown(decided(a_bundle(stage), a_snapshot(journeys=(a_journey(),)))) == ["two"]


def test_whether_a_journey_runs_is_unknown_without_the_live_state() -> None:
    calm = a_rule("not journey.complaint", name="calm")
    bundle = a_bundle(an_action("one", purpose="service", exempt="service", rules=[calm]))
    assert shown(decided(bundle, a_snapshot(reconciled=False))) == []


# -- what was asked for


def test_actions_for_journeys_are_offered_only_to_a_question_that_names_their_tag() -> None:
    step = an_action("step", purpose="nurture", tags=["onboarding"], only_for_journeys=True)
    bundle = a_bundle(step)
    assert decided(bundle).candidates == ()
    assert decided(bundle, purposes=("nurture",)).candidates == ()
    assert shown(decided(bundle, tags=("onboarding",))) == ["step"]
    assert shown(decided(bundle, tags=("renewal",))) == []


def test_only_the_purposes_that_were_asked_for_are_considered() -> None:
    bundle = a_bundle(an_action("sale", value=99), an_action("tip", purpose="nurture"))
    decision = decided(bundle, purposes=("nurture",))
    assert shown(decision) == ["tip"]
    assert [one.action for one in decision.candidates] == ["tip"]


def test_explain_finds_every_reason_in_the_order_of_the_funnel() -> None:
    late = an_action(
        "one",
        starts=(NOW + DAY).date(),
        channels=["email"],
        rules=[a_rule("contract.age >= 18")],
    )
    limit = a_limit(maximum=1, kinds=[IMPRESSION])
    bundle = a_bundle(late, limits=[limit])
    snapshot = a_snapshot(
        holds=(a_hold(),),
        consents={"sales:web": False},
        contacts=(a_contact(kind=IMPRESSION),),
    )
    drops = candidate(decided(bundle, snapshot, explain=True), "one").drops
    stages = [drop.stage for drop in drops]
    order = list(Stage)
    assert stages == sorted(stages, key=order.index)
    assert stages == [
        Stage.AVAILABILITY,
        Stage.CHANNEL,
        Stage.HOLD,
        Stage.ELIGIBILITY,
        Stage.CONSENT,
        Stage.CONTACT_LIMIT,
    ]
    short = candidate(decided(bundle, snapshot), "one").drops
    assert short == drops[:1]


def test_explaining_changes_no_offer() -> None:
    actions = [an_action(f"a{n}", value=n, channels=["web", "email"][: n % 3]) for n in range(9)]
    bundle = a_bundle(*actions)
    plain, explained = decided(bundle), decided(bundle, explain=True)
    assert plain.placements == explained.placements
    assert plain.funnel == explained.funnel


# -- placements and fallbacks


def test_no_action_is_shown_twice_over_the_placements() -> None:
    bundle = a_bundle(*[an_action(f"a{n}", value=9 - n) for n in range(4)])
    places = (Placement(name="hero"), Placement(name="rail", limit=2), Placement(name="foot"))
    decision = decided(bundle, placements=places)
    names = {
        place: [offer.action for offer in offers] for place, offers in decision.placements.items()
    }
    assert names == {"hero": ["a0"], "rail": ["a1", "a2"], "foot": ["a3"]}
    assert [offer.rank for offer in decision.placements["rail"]] == [1, 2]


def test_an_empty_placement_is_a_valid_answer() -> None:
    decision = decided(a_bundle(an_action("one", channels=["email"])))
    assert decision.placements == {"main": ()}


FALLBACK = an_action("tip", purpose="nurture", rules=[a_rule("1 == 2")])
"""An action that never wins by itself."""


def test_a_fallback_fills_a_place_that_nothing_else_fills() -> None:
    bundle = a_bundle(FALLBACK, fallbacks={"*": "tip"})
    assert shown(decided(bundle)) == ["tip"]
    assert candidate(decided(bundle), "tip").status is Status.CHOSEN
    named = a_bundle(
        FALLBACK, an_action("other", purpose="service", rules=FALLBACK.rules), fallbacks={
            "*": "tip", "rail": "other"
        }
    )  # fmt: skip
    places = (Placement(name="hero"), Placement(name="rail"))
    assert shown(decided(named, placements=places)) == ["tip", "other"]


def test_a_fallback_is_not_shown_twice() -> None:
    bundle = a_bundle(FALLBACK, fallbacks={"*": "tip"})
    places = (Placement(name="hero"), Placement(name="rail"))
    assert shown(decided(bundle, placements=places)) == ["tip"]
    won = a_bundle(an_action("tip", purpose="nurture"), fallbacks={"*": "tip"})
    assert shown(decided(won, placements=places)) == ["tip"]


@pytest.mark.parametrize("channel", ["email", "whatsapp", "inbox"])
def test_nothing_is_sent_as_a_fallback(channel: str) -> None:
    assert shown(decided(a_bundle(FALLBACK, fallbacks={"*": "tip"}), channel=channel)) == []


def test_a_question_for_something_has_no_fallback() -> None:
    bundle = a_bundle(FALLBACK, fallbacks={"*": "tip"})
    assert shown(decided(bundle, purposes=("nurture",))) == []
    assert shown(decided(bundle, tags=("x",))) == []


def test_a_fallback_respects_holds_consent_and_limits() -> None:
    bundle = a_bundle(
        FALLBACK, fallbacks={"*": "tip"}, limits=[a_limit(maximum=1, kinds=[IMPRESSION])]
    )
    assert shown(decided(bundle)) == ["tip"]
    assert shown(decided(bundle, a_snapshot(holds=(a_hold(purposes=["nurture"]),)))) == []
    assert shown(decided(bundle, a_snapshot(consents={"nurture:web": False}))) == []
    assert shown(decided(bundle, a_snapshot(contacts=(a_contact(kind=IMPRESSION),)))) == []


def test_without_the_live_state_a_fallback_is_shown_unless_it_counts_towards_a_limit() -> None:
    away = a_snapshot(reconciled=False)
    assert shown(decided(a_bundle(FALLBACK, fallbacks={"*": "tip"}), away)) == ["tip"]
    limited = a_bundle(FALLBACK, fallbacks={"*": "tip"}, limits=[a_limit(kinds=[IMPRESSION])])
    assert shown(decided(limited, away)) == []


# -- order


def test_context_weights_and_levers_change_who_wins() -> None:
    actions = [an_action("fiber", group="internet"), an_action("bill", group="billing")]
    plain = a_bundle(*actions)
    assert shown(decided(plain)) == ["bill"]
    weighted = a_bundle(*actions, weights=[a_weight("group:internet", 50, "context.page == 'x'")])
    assert shown(decided(weighted)) == ["bill"]
    assert shown(decided(weighted, context={"page": "x"})) == ["fiber"]
    assert shown(decided(a_bundle(*actions, groups={"internet": 1}))) == ["fiber"]


def test_the_same_arguments_give_the_same_decision() -> None:
    bundle = a_bundle(*[an_action(f"a{n}") for n in range(20)], limits=[a_limit(window=WEEK)])
    assert decided(bundle) == decided(bundle)


def test_one_answer_never_shows_more_than_a_limit_of_impressions_leaves() -> None:
    actions = [an_action(f"a{n}", value=10 - n) for n in range(4)]
    limit = a_limit("screen", maximum=2, kinds=[IMPRESSION])
    seen = a_contact("i1", kind=IMPRESSION, channel="web", action="a9")
    bundle = a_bundle(*actions, limits=[limit])
    for contacts, offered in (((), ["a0", "a1"]), ((seen,), ["a0"])):
        request = a_request("web", Placement(name="hero"), Placement(name="rail", limit=3))
        decision = decide(request, a_snapshot(contacts=contacts), bundle, NoModels())
        assert [offer.action for offer in decision.offers] == offered
        crowded = [one for one in decision.candidates if one.status is Status.DROPPED]
        assert {one.drops[0].rule for one in crowded} == {"limit:screen"}


def test_a_limit_for_each_action_lets_different_ones_be_shown_together() -> None:
    actions = [an_action(f"a{n}", value=10 - n) for n in range(3)]
    bundle = a_bundle(*actions, limits=[a_limit(maximum=1, kinds=[IMPRESSION], per="action")])
    request = a_request("web", Placement(name="rail", limit=3))
    decision = decide(request, a_snapshot(), bundle, NoModels())
    assert [offer.action for offer in decision.offers] == ["a0", "a1", "a2"]
