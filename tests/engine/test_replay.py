"""A recorded decision is made again from its record, byte for byte."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bundle import load_bundle
from engine.catalog import Action, Bundle
from engine.comparison import NOT_THERE, Changes, compare
from engine.decide import decide
from engine.ledger.site import BUNDLES
from engine.names import LOADED_VIEWS
from engine.propensity import Scorer
from engine.record import decision_of, record, request_of, snapshot_of
from engine.replay import differences, identical, replayed
from engine.types import (
    Contact,
    ContactKind,
    Decision,
    Hold,
    HoldState,
    JourneyState,
    Placement,
    Request,
    Scalar,
    Scores,
    Snapshot,
    Stage,
)
from feature_store.generate import customers
from feature_store.mapping import read_mapping
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_contact,
    a_customer,
    a_hold,
    a_limit,
    a_purpose,
    a_request,
    a_rule,
    a_snapshot,
    a_weight,
    an_action,
)
from tests.support.ledgers import NoModels

ROOT = Path(__file__).parents[2]

BUNDLE = a_bundle(
    an_action("fiber", value="max(1, 100 - billing.charges)", rules=[a_rule("contract.age >= 18")]),
    an_action("tv", group="tv", rules=[a_rule("services.internet != 'No'", unknown_passes=True)]),
    an_action("save", purpose="retention", tags=["commercial"], value="50 * model.churn"),
    an_action("tip", purpose="nurture", channels=["web", "email"], prior=0.02),
    an_action("help", purpose="service", exempt="service", lever=20.0),
    an_action("survey", purpose="survey", rules=[a_rule("not journey.complaint")]),
    an_action("step", purpose="nurture", tags=["onboarding"], only_for_journeys=True),
    an_action("summer", starts=NOW.date(), ends=(NOW + 2 * DAY).date(), mandatory=True),
    limits=[
        a_limit("impressions", maximum=1, kinds=[ContactKind.IMPRESSION], per="action"),
        a_limit("messages", maximum=2, per="purpose", per_channel=True),
    ],
    weights=[
        a_weight("group:tv", 35.0, "context.page == 'tv'"),
        a_weight("purpose:service", 50.0, "journey.complaint"),
    ],
    purposes=[a_purpose("retention", refused_on=["email"], lever=7.0)],
    groups={"tv": -5.0},
    max_ages={"billing": 30 * DAY, "contract": 400 * DAY},
    fallbacks={"*": "tip"},
    minimum_propensity=0.01,
    minimum_priority=0.05,
)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
floats = st.floats(allow_nan=True, allow_infinity=True)
whole = st.integers(-(2**53), 2**53)
scalars = st.one_of(st.none(), st.booleans(), whole, floats, texts)
json = st.recursive(
    st.one_of(st.none(), st.booleans(), whole, st.floats(allow_nan=False), texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
zones = st.one_of(
    st.just(UTC), st.integers(-720, 720).map(lambda m: timezone(timedelta(minutes=m)))
)
times = st.datetimes(datetime(2026, 1, 1), datetime(2026, 6, 1), timezones=zones)  # noqa: DTZ001
features = st.fixed_dictionaries(
    {},
    optional={
        "contract.age": scalars,
        "billing.charges": scalars,
        "services.internet": st.sampled_from(["No", "DSL", None]),
        "profile.name": texts,
    },
)
holds = st.builds(
    Hold,
    id=st.sampled_from(["complaint:1", "complaint:2", "operator:3"]),
    purposes=st.lists(st.sampled_from(["sales", "survey"]), max_size=2).map(tuple),
    tags=st.lists(st.sampled_from(["commercial", "x"]), max_size=2).map(tuple),
    since=times,
    because=texts,
    owner=texts,
    seq=whole,
    until=st.none() | times,
    state=st.sampled_from(list(HoldState)),
)
contacts = st.builds(
    Contact,
    id=texts,
    kind=st.sampled_from(list(ContactKind)),
    at=st.integers(0, 10**6).map(lambda ms: round(NOW.timestamp() * 1000) - ms * 1000),
    channel=st.sampled_from(["web", "email"]),
    action=st.sampled_from(["fiber", "tip"]),
    group=st.sampled_from(["internet", "tv"]),
    purpose=st.sampled_from(["sales", "nurture"]),
)
journeys = st.builds(
    JourneyState,
    id=texts,
    kind=st.sampled_from(["complaint", "renewal"]),
    stage=texts,
    since=times,
)
views = st.dictionaries(
    st.sampled_from(["profile", "contract", "services", "billing", "behaviour"]), times
)
snapshots = st.builds(
    Snapshot,
    customer=texts,
    reconciled=st.booleans(),
    version=whole,
    features=features,
    feature_times=views,
    holds=st.lists(holds, max_size=2).map(tuple),
    consents=st.dictionaries(
        st.sampled_from(["sales:web", "retention:email", "nurture:web"]), st.booleans()
    ),
    contacts=st.lists(contacts, max_size=4).map(
        lambda found: tuple(sorted(found, key=lambda contact: contact.at))
    ),
    journeys=st.lists(journeys, max_size=2).map(tuple),
    because=st.lists(texts, max_size=1).map(tuple),
)
requests = st.builds(
    Request,
    decision_id=texts,
    customer=texts,
    channel=st.sampled_from(list(BUNDLE.channels)),
    now=times,
    seed=st.integers(0, 2**53),
    placements=st.lists(
        st.builds(Placement, name=st.sampled_from(["a", "b", "c"]), limit=st.integers(1, 3)),
        min_size=1,
        max_size=3,
        unique_by=lambda place: place.name,
    ).map(tuple),
    context=st.dictionaries(texts | st.just("page"), json | st.just("tv"), max_size=3),
    purposes=st.sampled_from([(), (), ("sales", "service")]),
    tags=st.sampled_from([(), (), ("onboarding",), ("commercial",)]),
    explain=st.booleans(),
    superseded=st.booleans(),
)


class Guess:
    """Models whose scores come by chance, or are missing."""

    def __init__(self, churn: float | None, scores: Sequence[float | None]) -> None:
        self.churn = churn
        self.scores = scores or [None]

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        if self.churn is None:
            return Scores(because=("no churn model",))
        return Scores(customer={"churn": self.churn}, models={"churn": "sha256:1"}, backend="c")

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        said = tuple(self.scores[n % len(self.scores)] for n in range(len(pairs)))
        return Scores(acceptance=said, models={"acceptance": "sha256:2"}, backend="c")


def chance(number: float) -> float:
    """A score as models give it."""
    return round(number, 9)


probabilities = st.floats(0, 1).map(chance)
scorers = st.one_of(
    st.just(NoModels()),
    st.builds(
        Guess,
        churn=st.none() | probabilities,
        scores=st.lists(st.none() | probabilities, max_size=5),
    ),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=requests, snapshot=snapshots, scorer=scorers)
def test_every_decision_can_be_made_again_from_its_record(
    request: Request, snapshot: Snapshot, scorer: Scorer
) -> None:
    decision = decide(request, snapshot, BUNDLE, scorer)
    kept = record(request, snapshot, decision)
    assert identical(kept, BUNDLE)
    assert orjson.dumps(decision_of(kept)) == orjson.dumps(decision)
    assert record(request_of(kept), snapshot_of(kept), decision_of(kept)) == kept


def a_record(bundle: Bundle = BUNDLE, scorer: Scorer | None = None, **request: Any) -> bytes:
    """The record of a decision about a usual customer."""
    asked = a_request("web", Placement(limit=9), **request)
    snapshot = a_snapshot(
        features={"contract.age": 30, "billing.charges": 40.0, "services.internet": "DSL"},
        contacts=(a_contact(),),
    )
    made = decide(asked, snapshot, bundle, scorer or Guess(0.9, [0.5, 0.25, 0.125]))
    return record(asked, snapshot, made)


def test_a_changed_record_is_found_out() -> None:
    kept = a_record()
    assert identical(kept, BUNDLE)
    changed = kept.replace(b'"propensity":0.5', b'"propensity":0.6', 1)
    assert changed != kept
    assert not identical(changed, BUNDLE)


def test_a_changed_snapshot_is_found_out() -> None:
    kept = orjson.loads(a_record())
    kept["snapshot"]["holds"] = [orjson.loads(orjson.dumps(a_hold()))]
    assert not identical(orjson.dumps(kept), BUNDLE)


def test_the_record_keeps_what_the_models_said() -> None:
    scores = decision_of(a_record()).scores
    assert scores.customer == {"churn": 0.9}
    assert scores.models == {"churn": "sha256:1", "acceptance": "sha256:2"}
    assert scores.backend == "c"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_feature_that_is_no_number_is_unknown_then_and_now(value: float) -> None:
    snapshot = a_snapshot(features={"contract.age": value, "billing.charges": value})
    asked = a_request()
    kept = record(asked, snapshot, decide(asked, snapshot, BUNDLE, NoModels()))
    assert identical(kept, BUNDLE)


# -- under another bundle


def test_under_another_bundle_each_action_keeps_its_own_score() -> None:
    kept = a_record()
    before = {offer.action: offer.propensity for offer in decision_of(kept).offers}
    without = dict(BUNDLE.actions)
    del without["fiber"]
    changed = replace(BUNDLE, hash="sha256:other", actions=without)
    after = {offer.action: offer.propensity for offer in replayed(kept, changed).offers}
    assert after == {name: said for name, said in before.items() if name != "fiber"}
    assert replayed(kept, changed).bundle == "sha256:other"


def test_an_action_that_was_not_scored_has_its_prior_under_another_bundle() -> None:
    kept = a_record()
    new = an_action("new", prior=0.4)
    changed = replace(BUNDLE, actions={"new": new, **BUNDLE.actions})
    offers = {offer.action: offer.propensity for offer in replayed(kept, changed).offers}
    known = {offer.action: offer.propensity for offer in decision_of(kept).offers}
    assert offers == {**known, "new": 0.4}


def at_least(propensity: float) -> Bundle:
    """The same business with a threshold."""
    raised = {
        name: replace(action, minimum_propensity=propensity)
        for name, action in BUNDLE.actions.items()
    }
    return replace(BUNDLE, actions=raised)


def test_what_a_threshold_dropped_after_scoring_keeps_its_score_as_well() -> None:
    strict = at_least(0.3)
    kept = a_record(strict, explain=True)
    dropped = [one for one in decision_of(kept).candidates if one.drops]
    assert Stage.PROPENSITY in {one.drops[0].stage for one in dropped}
    assert identical(kept, strict)
    freed = replayed(kept, BUNDLE)
    again = decision_of(a_record(BUNDLE, explain=True))
    assert freed.placements == again.placements


def test_what_differs_is_named_with_both_values() -> None:
    kept = a_record()
    changed = kept.replace(b'"propensity":0.5', b'"propensity":0.6', 1)
    (first, *_) = differences(changed, replayed(changed, BUNDLE))
    assert first.where.startswith(("placements.main[0].", "candidates["))
    assert (first.recorded, first.now) == (0.6, 0.5)
    assert differences(kept, replayed(kept, BUNDLE)) == ()


# -- what changes under another bundle


def changes_under(bundle: Bundle, snapshot: Snapshot | None = None, **request: Any) -> Changes:
    """What changes for a decision that was made under BUNDLE."""
    asked = a_request("email", **request)
    known = snapshot or a_snapshot(features={"contract.age": 30}, contacts=(a_contact(),))
    kept = record(asked, known, decide(asked, known, BUNDLE, Guess(0.9, [0.5, 0.25, 0.125])))
    return compare(decision_of(kept), replayed(kept, bundle))


def test_under_the_same_bundle_nothing_changes() -> None:
    assert not changes_under(BUNDLE)
    assert changes_under(BUNDLE).words == ()


def test_an_offer_that_a_new_limit_stops_is_told_with_stage_and_rule() -> None:
    strict = replace(BUNDLE, limits=(a_limit("new", maximum=1, purposes=["sales"]),))
    found = changes_under(strict)
    (change,) = [one for one in found.actions if one.action == "summer"]
    assert (change.before.status, change.after.stage) == ("chosen", "contact_limit")
    assert change.words == (
        "summer: was offered in main; under the new bundle dropped at contact_limit by limit:new"
        " (the limit new of 1 is reached)."
    )
    assert found.placements[0].before == ("summer.email",)


def test_an_action_that_is_gone_or_new_is_told_of() -> None:
    others = {name: action for name, action in BUNDLE.actions.items() if name != "tip"}
    changed = replace(BUNDLE, actions={**others, "new": an_action("new", purpose="nurture")})
    found = {one.action: one for one in changes_under(changed).actions}
    assert found["tip"].after.status == NOT_THERE
    assert found["new"].before.status == NOT_THERE


def too_late(decision: Decision) -> list[str]:
    """The actions that were not scored in time."""
    dropped = (one for one in decision.candidates if one.drops)
    return [one.action for one in dropped if one.drops[0].stage is Stage.DEADLINE]


def test_a_deadline_that_cut_in_cuts_in_again() -> None:
    class Late(Guess):
        def acceptance(
            self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
        ) -> Scores:
            said = super().acceptance(features, pairs[:2])
            return replace(said, because=("the time was over",), evidence=((1, 2), (3, 4)))

    kept = a_record(scorer=Late(0.9, [0.5]))
    scores = decision_of(kept).scores
    assert len(scores.acceptance) == len(scores.evidence) == 2 < len(scores.scored)
    assert identical(kept, BUNDLE)
    late = too_late(decision_of(kept))
    raised = {name: replace(one, lever=one.lever + 1.0) for name, one in BUNDLE.actions.items()}
    again = replayed(kept, replace(BUNDLE, actions=raised))
    assert too_late(again) == late


# -- in another process

ELSEWHERE = """
import sys
from pathlib import Path
from engine.bundle import bundle_from_source
from engine.replay import identical
bundle = bundle_from_source(Path(sys.argv[1]).read_bytes())
for line in Path(sys.argv[2]).read_bytes().splitlines():
    print(identical(line, bundle))
"""


class ByName:
    """Models whose scores are a function of the names, the same everywhere."""

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        months = features.get("contract.tenure_months")
        return Scores(customer={"churn": round(1 / (2 + int(months or 0)), 9)}, backend="c")

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        said = tuple(round(crc32(f"{a.name} {c}".encode()) % 997 / 2_000, 9) for a, c in pairs)
        return Scores(acceptance=said, evidence=((5, 60),) * len(said), backend="c")


def varied(bundle: Bundle, count: int) -> Iterator[bytes]:
    """The records of decisions about made-up customers: all channels, all sorts of state."""
    sources, dice = read_mapping().sources, random.Random(4711)
    channels, actions = list(bundle.channels), list(bundle.actions.values())
    for number, row in enumerate(customers(count)):
        known = {source.feature: source.read(row) for source in sources}
        said = [
            a_contact(
                f"m{n}",
                kind=dice.choice(list(ContactKind)),
                at=NOW - timedelta(minutes=dice.randrange(60_000)),
                channel=dice.choice(channels),
                action=action.name,
                group=action.group,
                purpose=action.purpose,
                outcome=dice.choice(["", "click", "reject"]),
            )
            for n, action in enumerate(dice.sample(actions, dice.randrange(8)))
        ]
        snapshot = a_snapshot(
            features={**known, "service.complaints_open": dice.choice([None, 0, 1])},
            feature_times=dict.fromkeys(
                (*LOADED_VIEWS, "service"), NOW - dice.randrange(200) * DAY
            ),
            holds=(a_hold(),) if dice.random() < 0.2 else (),
            contacts=tuple(sorted(said, key=lambda one: one.at)),
            consents={"sales:email": dice.random() < 0.5},
            reconciled=dice.random() < 0.95,
        )
        request = replace(
            a_request(
                dice.choice(channels),
                Placement(name="hero"),
                Placement(name="rail", limit=3),
                customer=a_customer(row["customerID"]),
                context={"page": dice.choice(["billing", "plans", "cancel", "tv"])},
                explain=dice.random() < 0.3,
            ),
            seed=number * 7919,
        )
        decision = decide(request, snapshot, bundle, ByName())
        yield record(request, snapshot, decision, b"k")


def test_two_hundred_decisions_replay_in_a_process_that_hashes_otherwise(tmp_path: Path) -> None:
    bundle = load_bundle(BUNDLES / "telco")
    (tmp_path / "bundle.json").write_bytes(bundle.source)
    records = list(varied(bundle, 200))
    assert len({orjson.dumps(orjson.loads(one)["decision"]["placements"]) for one in records}) > 50
    (tmp_path / "records").write_bytes(b"\n".join(records))
    for hash_seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, tmp_path / "bundle.json", tmp_path / "records"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.split() == ["True"] * 200
