"""`tactful silence`: what each rule cost by what it kept back, or why nobody can say."""

from __future__ import annotations

import json
from datetime import date

import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from api.commands_silence import lines
from engine.errors import InvalidInput, TactfulError
from engine.ledger.site import Site
from engine.types import Stage
from models.intervals import Interval
from models.silence import Price
from models.support import Reason
from tests.api.test_proof_commands import COUNT, decided, shop

__all__ = ["shop"]

PRICE = Price(
    week=date(2026, 11, 16),
    rule=(Stage.CONTACT_LIMIT, "contact_limit:two-a-week"),
    decisions=120,
    customers=90,
    places=100,
    alike=98,
    forgone=Interval(value=1234.5, low=1000.0, high=1500.0, error=100.0),
)


def run(*words: str) -> Result:
    """What the command prints; what it refuses is raised."""
    result = CliRunner().invoke(app, ["silence", *words])
    if isinstance(result.exception, TactfulError):
        raise result.exception
    return result


def test_four_decisions_are_too_few_for_any_rule(shop: Site) -> None:
    decided(shop)
    found = json.loads(run("--wait", "0", "--json").stdout)
    assert found
    assert all(one["decisions"] <= COUNT for one in found)
    assert all(one["forgone"] is None for one in found if one["places"])
    assert "no estimate" in run("--wait", "0").stdout


def test_only_decisions_that_can_be_answered_by_now_count(shop: Site) -> None:
    decided(shop)
    with pytest.raises(InvalidInput, match="older than 7 days"):
        run()


def test_a_price_is_told_with_its_interval_and_a_refusal_with_its_reason() -> None:
    refused = Price(
        week=PRICE.week,
        rule=(Stage.ELIGIBILITY, "of-age"),
        decisions=9,
        customers=9,
        places=9,
        alike=0,
        forgone=None,
        reason=Reason.NO_SUPPORT,
        words="unlike",
    )
    told = [*lines([PRICE, refused])]
    assert told[1].split() == [
        *("2026-11-16", "contact_limit:two-a-week", "120", "90", "100", "98"),
        *("1,234.50", "1,000.00", "1,500.00"),
    ]
    assert told[2].startswith("2026-11-16 eligibility: of-age")
    assert told[2].endswith("no estimate (no_support): unlike")
