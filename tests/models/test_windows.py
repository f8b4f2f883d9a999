"""Learning starts where answers are still true: after a change of mind, and not before."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from models.dataset import AcceptanceRow, acceptance_columns, encoded
from models.frames import Examples
from models.kept_beside import learned_from
from models.windows import still_true
from tests.support.models import AT, encoded_labels, made_up

CHANGED = 700
ROWS = 1_100


def answers(
    *, changed: int = ROWS, likes: float = 0.5, dislikes: float = 0.1, seed: int = 1
) -> Sequence[AcceptanceRow]:
    """One after the other, a minute apart; from `changed` on they like what they disliked."""
    dice = random.Random(seed)
    rows: list[AcceptanceRow] = []
    for number in range(ROWS):
        customer, features, _ = dice.choice(made_up(400))
        action = dice.choice(("tea", "coffee"))
        monthly = features["contract.type"] == "Month-to-month"
        liked = (action == "tea") is monthly is (number < changed)
        row = AcceptanceRow(
            features=features,
            action=action,
            purpose="sales",
            group="drinks",
            channel="web",
            accepted=dice.random() < (likes if liked else dislikes),
            customer=customer,
            at=AT + timedelta(minutes=number),
        )
        rows.append(row)
    return rows


def begins(found: Sequence[AcceptanceRow]) -> int:
    """The number of the first answer that is learned from."""
    return (found[0].at - AT) // timedelta(minutes=1)


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_has_changed_all_answers_are_learned_from(seed: int) -> None:
    assert len(still_true(answers(seed=seed))) == ROWS


def test_what_a_change_of_mind_has_made_untrue_is_left_out() -> None:
    found = still_true(answers(changed=CHANGED, likes=0.8))
    assert begins(found) >= CHANGED - 200
    assert found[-1].at == AT + timedelta(minutes=ROWS - 1)


def test_what_was_left_out_once_is_not_taken_again() -> None:
    since = AT + timedelta(minutes=400)
    assert begins(still_true(answers(), since)) == 400


def test_answers_are_taken_by_time_in_whatever_order_they_come() -> None:
    told = list(answers(changed=CHANGED, likes=0.8))
    shuffled = random.Random(2).sample(told, len(told))
    assert still_true(shuffled) == still_true(told)


@pytest.mark.parametrize("count", [0, 1, 599])
def test_too_few_answers_to_see_a_change_are_all_learned_from(count: int) -> None:
    assert len(still_true(answers()[:count])) == count


def test_answers_of_one_moment_are_all_learned_from() -> None:
    assert len(still_true([replace(row, at=AT) for row in answers()])) == ROWS


def test_a_model_knows_less_of_one_kind_of_customers_the_more_kinds_it_tells_apart() -> None:
    rows = answers()
    columns = acceptance_columns(rows)
    examples = Examples(
        columns=columns,
        rows=encoded(columns, [row.values() for row in rows]),
        target=encoded_labels([row.accepted for row in rows]),
        classes=("no", "yes"),
    )
    tea = sum(row.action == "tea" for row in rows)
    few, many = (learned_from(examples, leaves) for leaves in (2, 31))
    assert few is not None
    assert many is not None
    assert (few["tea|web"], many["tea|web"]) == (tea, round(tea * 2 / 31))
