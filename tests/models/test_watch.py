"""Models are watched: what has moved is named, what is off is seen, a challenger has its chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api.watched import ModelWatched
from engine.errors import InvalidInput
from models.artefact import Artefact
from models.dataset import AcceptanceRow
from models.drift import drift
from models.registry import promote, register
from models.report import page
from models.train import train
from models.watch import Offered, Seen, told, watched
from models.watched import keep, kept
from tests.support.ledgers import a_site
from tests.support.models import AT, an_acceptance_model, offers

HOUR = timedelta(hours=1)
RIVAL = replace(an_acceptance_model(5), trained_at=AT + HOUR)


def a_log(*, bill: float = 0.0, score: float = 0.0, accepted: bool | None = None) -> Seen:
    """The offers that the model learned from, and the same again later, with something changed."""
    before = [Offered(row=row, score=0.3) for row in offers()]
    after = [
        Offered(row=changed(row, at, bill, accepted), score=0.3 + score)
        for at, row in enumerate(offers())
    ]
    both = (*before, *after)
    return Seen(decided=[(one.row.at, one.row.features) for one in both], offered=both)


def changed(row: AcceptanceRow, at: int, bill: float, accepted: bool | None) -> AcceptanceRow:
    """An offer an hour or more later."""
    told = row.features["billing.monthly_charges"]
    features = {**row.features, "billing.monthly_charges": float(str(told)) + bill}
    answer = row.accepted if accepted is None else accepted
    return replace(row, features=features, at=row.at + HOUR * (1 + at % 30), accepted=answer)


def seen(site: Any, log: Seen, model: Artefact | None = None) -> dict[str, Any]:
    """What is told of a model."""
    artefact = model or an_acceptance_model()
    return told(site, artefact, artefact.hash(), log)


@pytest.fixture
def site(tmp_path: Path) -> Any:
    """A stack with a model in use."""
    place = a_site(tmp_path)
    promote(place, an_acceptance_model())
    return place


# -- drift


def drawn(shift: float, seed: int, count: int = 400) -> Sequence[float]:
    """Values around a mean."""
    dice = random.Random(seed)
    return [dice.gauss(shift, 1) for _ in range(count)]


def test_chance_alone_is_hardly_ever_taken_for_a_change() -> None:
    found = [drift(drawn(0, seed), drawn(0, 1_000 + seed)) for seed in range(200)]
    assert sum(one.index > one.chance for one in found if one) <= 2
    assert not any(one.moved for one in found if one)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (drawn(0, 1), drawn(1, 2)),
        (drawn(0, 1), [*drawn(0, 2, 200), *[None] * 200]),
        (["a", "b"] * 200, ["a", "b", "b", "b"] * 100),
        (["a", "b"] * 200, ["a", "new"] * 200),
        ([True, False] * 200, [True] * 400),
    ],
)
def test_what_has_moved_is_seen(before: Sequence[Any], now: Sequence[Any]) -> None:
    found = drift(before, now)
    assert found is not None
    assert found.moved
    same = drift(now, now)
    assert same is not None
    assert same.index == pytest.approx(0)


def test_of_nothing_nothing_is_said() -> None:
    assert drift([], [1.0]) is None
    unknown = drift([None] * 50, [None] * 50)
    assert unknown is not None
    assert unknown.index == 0


# -- the model


def test_a_world_that_stays_as_it_was_shows_no_drift(site: Any) -> None:
    found = seen(site, a_log())
    assert not [name for name, one in found["features"].items() if one["moved"]]
    assert not found["score"]["moved"]
    assert found["challenger"] is None


def test_a_feature_that_moves_is_named_and_so_are_the_scores_that_follow_it(site: Any) -> None:
    found = seen(site, a_log(bill=60))
    assert [name for name, one in found["features"].items() if one["moved"]] == [
        "billing.monthly_charges"
    ]


def test_answers_that_turn_show_as_calibration_that_is_off(site: Any) -> None:
    steady, found = seen(site, a_log()), seen(site, a_log(accepted=False))
    before, now = (one["calibration"]["calibration_error"] for one in (steady, found))
    assert now > before + 0.05
    assert found["periods"][-1]["came"] == 0 < found["periods"][0]["came"]


def test_what_was_said_then_is_compared_with_what_came_then(site: Any) -> None:
    found = seen(site, a_log(score=0.4))
    first, *_, last = found["periods"]
    assert (first["said"], last["said"]) == (pytest.approx(0.3, abs=0.05), pytest.approx(0.7))
    assert last["calibration_error"] > first["calibration_error"] + 0.2


def test_a_challenger_is_judged_on_answers_that_neither_has_learned_from(site: Any) -> None:
    register(site, RIVAL)
    found = seen(site, a_log())["challenger"]
    assert found["model"] == RIVAL.hash()
    assert found["answers"] == len(offers())
    assert found["gain"]["high"] < 0  # after five rounds of learning it knows less
    swapped = seen(site, a_log(), RIVAL)["challenger"]
    assert swapped["gain"]["low"] > 0
    assert seen(site, Seen(decided=(), offered=()))["challenger"]["answers"] == 0


def test_without_a_model_there_is_nothing_to_watch(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="train one first"):
        watched(a_site(tmp_path), 30)


def test_a_training_watches_the_model_in_use_before_it_learns(site: Any) -> None:
    with pytest.raises(InvalidInput, match="0 answered offers"):
        train(site, "acceptance")
    found = kept(site)
    assert found is not None
    assert found["model"] == an_acceptance_model().hash()


def test_a_stack_that_has_decided_nothing_yet_has_a_page_that_says_so(site: Any) -> None:
    told = page(watched(site, 30))
    assert "Too few answers since to say." in told
    assert "There is no other model." in told


# -- where it is shown


class Tags(HTMLParser):
    """Which tags a page has open, and what it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "line", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "polyline"):
            assert self.open.pop() == tag


def test_the_page_is_whole_fetches_nothing_and_has_its_plots_inside(site: Any) -> None:
    register(site, RIVAL)
    told = page(seen(site, a_log(bill=60)))
    tags = Tags()
    tags.feed(told)
    assert (tags.open, tags.fetched) == ([], [])
    assert told.count("<svg") == 2
    assert "nan" not in told
    for words in ("billing.monthly_charges", "moved", "the challenger is better"):
        assert words in told


def test_what_was_watched_last_is_told_to_prometheus_and_a_damaged_file_is_not(site: Any) -> None:
    registry = CollectorRegistry()
    registry.register(ModelWatched(site))
    assert generate_latest(registry) == b""
    register(site, RIVAL)
    keep(site, seen(site, a_log(bill=60)))
    lines = generate_latest(registry).decode().splitlines()
    numbers = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(numbers['tactful_model_drift{of="billing.monthly_charges"}']) > 0.25
    assert float(numbers["tactful_model_calibration_error"]) < 0.2
    assert {f'tactful_model_log_loss{{role="{role}"}}' for role in ("in_use", "challenger")} <= set(
        numbers
    )
    (site.data_dir / "models" / "acceptance" / "watched.json").write_text("{")
    assert generate_latest(registry) == b""
