"""What is measured is what is said: so many candidates, the whole funnel, lives, true copies."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from benchmarks import copies, lives
from benchmarks.bundles import candidates, write_example, write_generated
from benchmarks.memory import customer_bytes
from benchmarks.population import Known, load_customers
from benchmarks.stack import bundle_of
from engine.catalog import Bundle
from engine.errors import StackError
from engine.ledger import Ledger, keys
from engine.ledger.clock import from_milliseconds
from engine.types import FeatureRow
from feature_store.online import OnlineReader
from tests.support.ledgers import redis_says


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle_of(write_example(tmp_path_factory.mktemp("bundles") / "example"))


async def loaded(ledger: Ledger, count: int = 20) -> tuple[Known, ...]:
    return await load_customers(ledger.site, count)


async def row_of(ledger: Ledger, customer: str) -> FeatureRow:
    reader = OnlineReader()
    return reader.decode(await redis_says(ledger, *reader.command(customer)))


@pytest.mark.parametrize("count", [24, 100])
def test_a_generated_bundle_is_sound_and_has_so_many_candidates(tmp_path: Path, count: int) -> None:
    bundle = bundle_of(write_generated(tmp_path / "bundle", count))
    assert len(candidates(bundle)) == len(bundle.actions) == count


def test_every_part_of_the_funnel_has_something_to_do(tmp_path: Path, example: Bundle) -> None:
    for bundle in (example, bundle_of(write_generated(tmp_path / "bundle", 24))):
        parts = (bundle.limits, bundle.policies, bundle.holds, bundle.volumes)
        assert all(parts)
        terms = bundle.exploration
        assert all((terms.control_percent, terms.smoothing_evidence, terms.mature_positives))
        assert any(action.rules for action in bundle.actions.values())


def test_no_two_generated_actions_have_the_same_rules(tmp_path: Path) -> None:
    bundle = bundle_of(write_generated(tmp_path / "bundle", 96))
    assert len({str(action.rules) for action in bundle.actions.values()}) == 96


async def test_contacts_are_as_many_as_said_and_none_is_too_old(
    ledger: Ledger, example: Bundle
) -> None:
    await lives.contact(ledger, example, [("few", 5), ("many", 500)])
    many = (await ledger.state("many")).contacts
    assert len((await ledger.state("few")).contacts) == 5
    assert len(many) == 500
    age = ledger.clock.now() - from_milliseconds(min(one.at for one in many))
    assert age.days <= lives.CONTACT_DAYS


async def test_some_are_held_and_most_were_contacted_but_not_all(
    ledger: Ledger, example: Bundle
) -> None:
    customers = [f"customer-{number}" for number in range(150)]
    await lives.live_through(ledger, example, customers)
    states = [await ledger.state(customer) for customer in customers]
    assert 0 < sum(bool(state.holds) for state in states) < 30
    assert 60 < sum(bool(state.contacts) for state in states) < 150


async def test_further_features_make_a_row_wider_but_change_none_of_ours(ledger: Ledger) -> None:
    one = (await loaded(ledger, 1))[0]
    before = await redis_says(ledger, "HLEN", keys.row_key(one.customer))
    await lives.widen(ledger, [one.customer], 200)
    assert await redis_says(ledger, "HLEN", keys.row_key(one.customer)) == before + 200
    assert (await row_of(ledger, one.customer)).values == one.features


async def test_a_copy_is_its_original_under_another_name_with_amounts_of_its_own(
    ledger: Ledger, example: Bundle
) -> None:
    known = await loaded(ledger)
    originals = [one.customer for one in known]
    await lives.live_through(ledger, example, originals)
    await copies.add_copies(ledger, originals, 0, 35, at_once=3)
    await copies.add_copies(ledger, originals, 35, 50)
    for number in (0, 34, 35, 49):
        original = known[number % len(known)]
        customer = await ledger.customers.resolve(copies.name_of(number))
        one, other = await ledger.state(original.customer), await ledger.state(customer)
        assert (other.holds, other.consents) == (one.holds, one.consents)
        assert other.contacts == one.contacts
        assert await ledger.external_id(customer) == copies.name_of(number)
        values = (await row_of(ledger, customer)).values
        differing = {key for key in values if values[key] != original.features[key]}
        assert differing == {f"{view}.{feature}" for view, feature, _ in copies.OWN}


async def test_a_copy_of_nobody_is_noticed(ledger: Ledger) -> None:
    with pytest.raises(StackError, match="not what it was copied from"):
        await copies.add_copies(ledger, ["nobody"], 0, 3)


async def test_what_redis_refuses_is_no_copy(ledger: Ledger) -> None:
    known = await loaded(ledger, 1)
    await redis_says(ledger, "CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises((StackError, ResponseError)):
            await copies.add_copies(ledger, [known[0].customer], 0, 3)
    finally:
        await redis_says(ledger, "CONFIG", "SET", "maxmemory", "0")


async def test_the_file_is_whole_again_after_many_were_written_without_it(
    ledger: Ledger,
) -> None:
    copies.without_file(ledger)
    try:
        await copies.add_copies(ledger, [(await loaded(ledger, 1))[0].customer], 0, 10)
        copies.with_file(ledger)
        info = await redis_says(ledger, "INFO", "persistence")
        assert info["aof_enabled"] == 1
        assert info["aof_last_bgrewrite_status"] == "ok"
    finally:
        copies.without_file(ledger)


async def test_bytes_of_a_customer_are_those_of_all_keys_but_the_row(
    ledger: Ledger, example: Bundle
) -> None:
    one, other = (known.customer for known in await loaded(ledger, 2))
    await lives.contact(ledger, example, [(one, 50)])
    held = await customer_bytes(ledger, [one])
    names = (keys.live(one), keys.contacts(one))
    asked = [await redis_says(ledger, "MEMORY", "USAGE", name, "SAMPLES", 0) for name in names]
    assert held == sum(asked)
    assert held > 2 * await customer_bytes(ledger, [other])
