"""Before the first request: decisions for customers who do not exist, which leave no trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from api.warming import MADE_UP, made_up, practise, usual_placements
from engine.bundle import load_bundle
from engine.catalog import Action, PlacementTerms
from engine.ledger.site import BUNDLES
from engine.types import Placement, Scalar, Scores
from feature_store.schema import FEATURES, PUSHED
from tests.support.builders import KEY, NOW, a_bundle, an_action
from tests.support.ledgers import NoModels


class Asked(NoModels):
    """A scorer that remembers what it was asked."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Scalar]] = []

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        self.rows.append(features)
        return NoModels.acceptance(self, features, pairs)


def test_the_models_are_asked_about_customers_of_whom_everything_is_known() -> None:
    scorer = Asked()
    practise(a_bundle(an_action("upgrade")), scorer, "web", NOW, KEY)
    assert len(scorer.rows) == MADE_UP
    assert all(set(FEATURES) <= set(row) for row in scorer.rows)
    assert len({row["contract.tenure_months"] for row in scorer.rows}) > MADE_UP / 4


def test_a_made_up_customer_has_every_feature_in_a_view_of_now() -> None:
    snapshot = made_up("c", NOW, Random(0))
    assert set(snapshot.features) == set(FEATURES)
    assert {view.name for view in PUSHED} < set(snapshot.feature_times)
    assert snapshot.reconciled
    assert made_up("c", NOW, Random(0)) == snapshot


def test_the_placements_that_a_bundle_knows_are_asked_about_alone_and_together() -> None:
    telco = load_bundle(BUNDLES / "telco", features=FEATURES)
    usual = [[each.name for each in one] for one in usual_placements(telco, "web")]
    assert usual == [["main"], ["hero"]]
    more = replace(telco, placements={"rail": PlacementTerms(name="rail")})
    usual = [[each.name for each in one] for one in usual_placements(more, "web")]
    assert usual == [["main"], ["rail"], ["hero"], ["rail", "hero"]]


def test_a_bundle_that_knows_no_placement_is_asked_about_the_default_one() -> None:
    [usual] = usual_placements(a_bundle(an_action("upgrade")), "web")
    assert usual == (Placement(),)
