"""`tactful replay`: one decision or all of them, with the stack running or not."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from api.replaying import BUNDLES
from api.settings import load_settings, site
from engine.catalog import Bundle
from engine.errors import TactfulError, UnknownBundle, UnknownDecision
from engine.ledger import open_ledger
from engine.ledger.archive import archive_stream
from engine.ledger.bundles import BundleInForce
from engine.ledger.site import BUNDLES as EXAMPLES
from engine.ledger.site import Site
from engine.live import Ask
from feature_store.schema import FEATURES
from tests.support.builders import a_customer
from tests.support.ledgers import a_decider, reconcile, redis_says
from tests.support.servers import Server

COUNT = 4


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_valkey: Server) -> Site:
    """A data directory whose stack does not run, on a Redis that does."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("TACTFUL_REDIS_URL", shared_valkey.url)
    return site(load_settings())


def in_force(shop: Site) -> Bundle:
    """The example bundle, kept for replays as a running stack does."""
    return BundleInForce(shop.bundle, shop.data_dir / BUNDLES, dict, set(FEATURES))()


def decided(shop: Site, *, archived: bool = True) -> list[str]:
    """The ids of some decisions of this stack."""

    async def work() -> list[str]:
        async with open_ledger(shop) as ledger:
            await redis_says(ledger, "FLUSHALL")
            await reconcile(ledger)
            decider = a_decider(ledger, in_force(shop))
            asks = [Ask(customer=a_customer(str(n)), channel="web") for n in range(COUNT)]
            made = [(await decider.decide(ask)).decision.decision_id for ask in asks]
            if archived:
                await archive_stream(ledger)
            return made

    return asyncio.run(work())


def run(*words: str) -> Result:
    """What the command prints and how it ends; what it refuses is raised."""
    result = CliRunner().invoke(app, ["replay", *words])
    if isinstance(result.exception, TactfulError):
        raise result.exception
    return result


def told(*words: str) -> Any:
    """What the command says to programs."""
    return json.loads(run(*words, "--json").stdout.splitlines()[-1])


def rewrite(shop: Site, change: Callable[[bytes], bytes]) -> None:
    """Changes the first record in the archive, as somebody with access to the files could."""
    (path,) = shop.archive.glob("*/*.parquet")
    table = pq.read_table(path)
    records = table["record"].to_pylist()
    records[0] = change(records[0])
    at = table.column_names.index("record")
    pq.write_table(table.set_column(at, "record", pa.array(records, pa.binary())), path)


def test_a_decision_is_replayed_in_words(shop: Site) -> None:
    first, *_ = decided(shop)
    result = run(first)
    assert result.exit_code == 0
    assert "it is the same, byte for byte" in result.stdout
    assert "its seal is intact" in result.stdout


def test_what_is_not_archived_yet_is_found_as_well(shop: Site) -> None:
    first, *_ = decided(shop, archived=False)
    assert told(first)["identical"] is True


def test_under_a_folder_it_says_what_changes(shop: Site, tmp_path: Path) -> None:
    decisions = decided(shop)
    offered = told(decisions[0], "--bundle", "current")
    assert (offered["own"], offered["identical"]) == (True, True)
    changed = tmp_path / "changed"
    shutil.copytree(EXAMPLES / "telco", changed)
    for path in changed.rglob("*.yaml"):
        path.write_text(path.read_text().replace("know-your-account", "know-your-bills"))
    found = told(decisions[0], "--bundle", str(changed))
    assert found["own"] is False
    names = {change["action"] for change in found["changes"]["actions"]}
    assert {"know-your-account", "know-your-bills"} <= names


def test_all_decisions_are_counted(shop: Site) -> None:
    decided(shop)
    counts = told("--all")
    assert (counts["decisions"], counts["identical"]) == (COUNT, COUNT)
    assert (counts["different"], counts["tampered"], counts["unsealed"]) == (0, 0, 0)
    assert told("--all", "--since", "2999-01-01")["decisions"] == 0


def test_a_record_that_was_changed_in_the_archive_is_found_among_all(shop: Site) -> None:
    decided(shop)
    rewrite(shop, lambda record: record.replace(b'"level":"partial"', b'"level":"full"'))
    result = run("--all", "--json")
    counts = json.loads(result.stdout.splitlines()[-1])
    assert (counts["tampered"], counts["different"], counts["identical"]) == (1, 1, COUNT - 1)
    assert result.exit_code == 1


def test_records_that_changed_places_are_found_though_each_is_sealed(shop: Site) -> None:
    decided(shop)
    (path,) = shop.archive.glob("*/*.parquet")
    second = pq.read_table(path)["record"].to_pylist()[1]
    rewrite(shop, lambda _: second)
    counts = json.loads(run("--all", "--json").stdout.splitlines()[-1])
    assert (counts["tampered"], counts["identical"]) == (1, COUNT)


def test_a_record_that_is_not_json_any_more_is_told_of_too(shop: Site) -> None:
    decided(shop)
    rewrite(shop, lambda record: record[:-40])
    counts = json.loads(run("--all", "--json").stdout.splitlines()[-1])
    assert (counts["tampered"], counts["different"]) == (1, 1)


def test_a_record_without_seal_is_told_apart(shop: Site) -> None:
    decided(shop)

    def unsealed(record: bytes) -> bytes:
        kept = orjson.loads(record)
        del kept["seal"]
        return orjson.dumps({**kept, "version": 1})

    rewrite(shop, unsealed)
    assert told("--all")["unsealed"] == 1


def test_a_bundle_that_was_changed_since_is_not_trusted(shop: Site) -> None:
    first, *_ = decided(shop)
    (kept,) = (shop.data_dir / BUNDLES).glob("*.json")
    kept.write_bytes(kept.read_bytes().replace(b"Useful", b"Useless") + b" ")
    with pytest.raises(UnknownBundle, match="has been changed"):
        run(first)
    assert told("--all")["without_bundle"] == COUNT


def test_a_decision_that_never_was_is_refused(shop: Site) -> None:
    decided(shop)
    with pytest.raises(UnknownDecision):
        run("01KJMK6G00ABCDEFGHJKMNPQRS")


@pytest.mark.parametrize(
    "words", [[], ["x", "--all"], ["x", "--since", "2026-03-01"], ["--all", "--since", "monday"]]
)
def test_a_wrong_use_is_refused(shop: Site, words: list[str]) -> None:
    assert run(*words).exit_code == 2
