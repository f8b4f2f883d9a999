"""`tactful models report`: a page on the model in use, from what archive and journal hold."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from engine.errors import TactfulError
from engine.ledger import open_ledger
from engine.ledger.archive import records
from engine.ledger.outcomes import Outcome
from engine.ledger.site import Site
from engine.record import read
from models.registry import promote
from tests.api.test_proof_commands import COUNT, decided, shop
from tests.support.models import an_acceptance_model

__all__ = ["shop"]


async def accepted(shop: Site) -> None:
    """The first offer of the archive is accepted."""
    made = read(records(shop.archive)[0]).decision
    about: dict[str, Any] = {"decision_id": made.decision_id, "treatment": made.offers[0].treatment}
    async with open_ledger(shop) as ledger:
        await ledger.record_outcome(Outcome(**about, outcome="accept", id="1", at=made.at))


def test_the_page_is_made_of_what_the_archive_holds(shop: Site, tmp_path: Path) -> None:
    decided(shop)
    asyncio.run(accepted(shop))
    promote(shop, an_acceptance_model())
    out = tmp_path / "models.html"
    result = CliRunner().invoke(app, ["models", "report", "--out", str(out), "--json"])
    found = json.loads(result.stdout)
    assert (found["decisions"], found["answers"]) == (COUNT, 1)
    assert an_acceptance_model().hash()[:19] in out.read_text()


def test_a_page_that_cant_be_written_is_said(shop: Site, tmp_path: Path) -> None:
    promote(shop, an_acceptance_model())
    result = CliRunner().invoke(app, ["models", "report", "--out", str(tmp_path)])
    assert isinstance(result.exception, TactfulError)
    with pytest.raises(TactfulError, match="can't be written"):
        raise result.exception
