"""The own reader and writer against Feast's, on a real Valkey server."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import FeatureStore
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from engine.errors import LiveStateUnavailable
from engine.ledger.keys import row_key
from engine.ledger.site import Site
from engine.types import FeatureRow, Scalar
from feature_store.definitions import SERVICE, apply
from feature_store.online import (
    OnlineReader,
    Row,
    check_collisions,
    field_hash,
    write_rows,
)
from feature_store.schema import FEATURES, VIEW, VIEWS, Kind
from tests.support.customers import NOON

VALUES: Mapping[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: st.text(max_size=20),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.NUMBER: st.floats(allow_nan=False),
    Kind.FLAG: st.booleans(),
}


def a_row(view: str) -> st.SearchStrategy[dict[str, Scalar]]:
    """Values for all features of a view, some of them unknown."""
    return st.fixed_dictionaries({f.name: st.none() | VALUES[f.kind] for f in VIEW[view].features})


async def write_row(
    redis: Redis, customer: str, view: str, values: Mapping[str, Scalar], at: datetime
) -> bool:
    """Writes one row of a view; False when a newer one is stored."""
    return await write_rows(redis, [Row(customer=customer, view=view, values=values, at=at)]) == 1


async def read(redis: Redis, customer: str) -> FeatureRow:
    reader = OnlineReader()
    return reader.decode(await redis.execute_command(*reader.command(customer)))


def stamps(rows: int) -> dict[str, list[datetime]]:
    """The time columns that Feast wants beside the values."""
    return {"event_timestamp": [NOON] * rows, "created": [NOON] * rows}


def by_feast(store: FeatureStore, customer: str) -> dict[str, Any]:
    """What Feast's own reader says, under our names."""
    answer = store.get_online_features(
        features=store.get_feature_service(SERVICE),
        entity_rows=[{"customer": customer}],
        full_feature_names=True,
    ).to_dict()
    return {key: answer[key.replace(".", "__")][0] for key in FEATURES}


async def test_a_row_that_we_write_is_what_feast_reads(redis: Redis, site: Site) -> None:
    store = apply(site)

    @given(values=st.fixed_dictionaries({view.name: a_row(view.name) for view in VIEWS}))
    @settings(max_examples=15, deadline=None)
    def check(values: dict[str, dict[str, Scalar]]) -> None:
        asyncio.run(write_with_own_client(site.redis_url, values))
        ours = asyncio.run(read_with_own_client(site.redis_url))
        assert ours.values == by_feast(store, "c1")

    await asyncio.to_thread(check)


async def write_with_own_client(url: str, values: dict[str, dict[str, Scalar]]) -> None:
    async with Redis.from_url(url) as client:
        rows = [Row(customer="c1", view=v, values=each, at=NOON) for v, each in values.items()]
        assert await write_rows(client, rows) == len(rows)


async def read_with_own_client(url: str) -> FeatureRow:
    async with Redis.from_url(url) as client:
        return await read(client, "c1")


async def test_a_row_that_feast_writes_is_what_we_read(redis: Redis, site: Site) -> None:
    store = apply(site)
    values = {
        "type": ["Two year", ""],
        "tenure_months": [0, -7],
        "paperless": [False, True],
        "payment_method": ["Überweisung", None],
    }
    frame = pd.DataFrame({"customer": ["c1", "c2"], **stamps(2), **values})
    store.write_to_online_store("contract", frame)
    for place, customer in enumerate(("c1", "c2")):
        row = await read(redis, customer)
        assert row.values == {f"contract.{name}": each[place] for name, each in values.items()}
        assert row.times == {"contract": NOON}


async def test_feast_pushes_land_where_we_read(redis: Redis, site: Site) -> None:
    store = apply(site)
    of_kind = {Kind.NUMBER: 1.5, Kind.INTEGER: 3, Kind.STRING: "x"}
    values = {feature.name: of_kind[feature.kind] for feature in VIEW["service"].features}
    frame = pd.DataFrame({"customer": ["c1"], **stamps(1), **{n: [v] for n, v in values.items()}})
    store.push("service_events", frame)
    assert (await read(redis, "c1")).values == {f"service.{n}": v for n, v in values.items()}


@given(st.text(min_size=1))
def test_the_key_is_feasts_own(customer: str) -> None:
    entity = EntityKey(join_keys=["customer"], entity_values=[Value(string_val=customer)])
    theirs = serialize_entity_key(entity, entity_key_serialization_version=3) + b"tactful"
    assert row_key(customer) == theirs


async def test_an_unknown_customer_has_no_views_and_no_values(redis: Redis) -> None:
    assert await read(redis, "nobody") == FeatureRow(values={}, times={})


async def test_a_view_that_never_came_is_absent(redis: Redis) -> None:
    await write_row(redis, "c1", "billing", {"monthly_charges": 20.0}, NOON)
    row = await read(redis, "c1")
    assert set(row.times) == {"billing"}
    assert row.values == {"billing.monthly_charges": 20.0, "billing.total_charges": None}


async def test_values_without_their_time_are_not_believed(redis: Redis) -> None:
    await write_row(redis, "c1", "billing", {"monthly_charges": 20.0}, NOON)
    await redis.execute_command("HDEL", row_key("c1"), "_ts:billing")
    assert await read(redis, "c1") == FeatureRow(values={}, times={})


async def test_a_newer_row_replaces_and_an_older_one_does_not(redis: Redis) -> None:
    second = timedelta(seconds=1)
    assert await write_row(redis, "c1", "contract", {"type": "new"}, NOON)
    assert not await write_row(redis, "c1", "contract", {"type": "old"}, NOON - second)
    assert not await write_row(
        redis, "c1", "contract", {"type": "old"}, NOON - timedelta(microseconds=1)
    )
    assert (await read(redis, "c1")).values["contract.type"] == "new"
    assert await write_row(redis, "c1", "contract", {"type": "newer"}, NOON + second)
    assert (await read(redis, "c1")).values["contract.type"] == "newer"


async def test_another_value_at_the_same_time_replaces(redis: Redis) -> None:
    await write_row(redis, "c1", "service", {"complaints_open": 0}, NOON)
    assert await write_row(redis, "c1", "service", {"complaints_open": 1}, NOON)
    assert (await read(redis, "c1")).values["service.complaints_open"] == 1


async def test_a_new_row_leaves_nothing_of_the_old_one(redis: Redis) -> None:
    await write_row(redis, "c1", "contract", {"type": "One year", "tenure_months": 9}, NOON)
    await write_row(redis, "c1", "contract", {"type": "Two year"}, NOON)
    assert (await read(redis, "c1")).values["contract.tenure_months"] is None


async def test_whatever_the_order_of_writes_the_newest_row_stays(redis: Redis, site: Site) -> None:
    base = datetime(1970, 1, 1, tzinfo=UTC)

    @given(st.lists(st.integers(0, 2**40), min_size=1, max_size=6, unique=True))
    @settings(max_examples=30, deadline=None)
    def check(micros: list[int]) -> None:
        asyncio.run(in_order(site.redis_url, micros))

    async def in_order(url: str, micros: list[int]) -> None:
        async with Redis.from_url(url) as client:
            await client.execute_command("DEL", row_key("c1"))
            for each in micros:
                at = base + timedelta(microseconds=each)
                await write_row(client, "c1", "contract", {"tenure_months": each}, at)
            found = (await read(client, "c1")).values["contract.tenure_months"]
            assert found == max(micros)

    await asyncio.to_thread(check)


async def test_concurrent_writers_leave_the_newest_row(redis: Redis) -> None:
    writes = [
        write_row(redis, "c1", "contract", {"tenure_months": n}, NOON + timedelta(microseconds=n))
        for n in (5, 1, 9, 3, 7, 2, 8)
    ]
    await asyncio.gather(*writes)
    row = await read(redis, "c1")
    assert row.values["contract.tenure_months"] == 9
    assert row.times["contract"] == NOON + timedelta(microseconds=9)


async def test_a_damaged_time_is_replaced_and_until_then_absent(redis: Redis) -> None:
    await write_row(redis, "c1", "contract", {"type": "One year"}, NOON)
    for damage in (b"\x08", b"\xff\xff", b"\x08" + b"\xff" * 20):
        await redis.execute_command("HSET", row_key("c1"), "_ts:contract", damage)
        assert (await read(redis, "c1")).times == {}
        assert await write_row(redis, "c1", "contract", {"type": "One year"}, NOON)


async def test_a_damaged_value_is_unknown_and_the_rest_stands(redis: Redis) -> None:
    await write_row(redis, "c1", "contract", {"type": "One year", "tenure_months": 9}, NOON)
    await redis.execute_command(
        "HSET", row_key("c1"), field_hash("contract", "type"), b"\x12\x09On"
    )
    row = await read(redis, "c1")
    assert row.values["contract.type"] is None
    assert row.values["contract.tenure_months"] == 9


async def test_a_key_of_the_wrong_type_is_no_answer_at_all(redis: Redis) -> None:
    await redis.execute_command("SET", row_key("c1"), "what?")
    reader = OnlineReader()
    pipe = redis.pipeline(transaction=False)
    pipe.execute_command(*reader.command("c1"))
    reply = (await pipe.execute(raise_on_error=False))[0]
    with pytest.raises(LiveStateUnavailable):
        reader.decode(reply)


async def test_writing_survives_a_server_that_forgot_its_scripts(redis: Redis) -> None:
    await write_row(redis, "c1", "contract", {"type": "One year"}, NOON)
    await redis.script_flush()
    assert await write_row(redis, "c1", "contract", {"type": "Two year"}, NOON)


async def test_a_feature_that_no_view_has_is_refused(redis: Redis) -> None:
    with pytest.raises(ValueError, match="contract has no colour"):
        await write_row(redis, "c1", "contract", {"colour": "red"}, NOON)


def test_two_features_that_share_a_field_are_found_at_the_start() -> None:
    both = "profile.senior and profile.gender share the field 73616d65"
    with pytest.raises(ValueError, match=both):
        check_collisions(hashed=lambda view, feature: b"same")


def test_a_feature_that_meets_the_time_of_a_view_is_found_too() -> None:
    def hashed(view: str, feature: str) -> bytes:
        return b"_ts:billing" if feature == "total_charges" else f"{view}:{feature}".encode()

    with pytest.raises(ValueError, match=r"the time of billing and billing\.total_charges share"):
        check_collisions(hashed=hashed)


def test_no_two_of_our_features_share_a_field() -> None:
    check_collisions()


async def test_infinite_numbers_come_through(redis: Redis) -> None:
    await write_row(redis, "c1", "billing", {"monthly_charges": math.inf}, NOON)
    assert (await read(redis, "c1")).values["billing.monthly_charges"] == math.inf


def test_reading_and_scoring_import_neither_feast_nor_lightgbm() -> None:
    code = (
        "import sys, feature_store.online, feature_store.push, models.score;"
        "print([m for m in ('feast','lightgbm','pandas','sklearn','pyarrow') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"
