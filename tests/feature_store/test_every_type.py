"""Every type of value that the installed Feast has: our reader against Feast's own, in one row."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from feast import FeatureStore, FeatureView, Field, FileSource
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Map, Value
from feast.types import String
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from engine.ledger.keys import row_key
from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.definitions import customer as entity
from feature_store.definitions import open_store
from feature_store.every_value import scalar_of
from feature_store.online import OnlineReader, field_hash
from feature_store.schema import Feature, Kind, View
from feature_store.values import DamagedValue, decode_value
from tests.support.customers import NOON

VALUE: Any = Value
"""Untyped: its arguments are named by the types at hand."""
KINDS = [field.name for field in Value.DESCRIPTOR.fields]
"""bytes_val, string_val, …: what a value may be."""
VIEW = View(
    name="every", features=tuple(Feature(view="every", name=k, kind=Kind.STRING) for k in KINDS)
)
TEXTS = st.sampled_from(["", "x", "Überweisung", "\x00", "1", "True"]) | st.text(max_size=8)
FLOATS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324])
SHORT_FLOATS = st.floats(width=32)
TIMES = st.integers(0, 2**33) | st.just(-(2**63))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2),
)
SINGLE: Mapping[str, st.SearchStrategy[Any]] = {
    "bytes": st.binary(max_size=8),
    "string": TEXTS,
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": FLOATS,
    "float": SHORT_FLOATS,
    "bool": st.booleans(),
    "unix_timestamp": TIMES,
    "null": st.just(0),
    "json": st.builds(json.dumps, JSON) | st.just("{not json"),
    "uuid": st.uuids().map(str),
    "time_uuid": st.uuids().map(str),
    "decimal": st.decimals(allow_nan=False).map(str),
}


def values_of(kind: str) -> st.SearchStrategy[Value]:
    """Values of one of Feast's types."""
    name = kind.removesuffix("_val")
    if name in SINGLE:
        return SINGLE[name].map(lambda value: VALUE(**{kind: value}))
    if name == "zoned_timestamp":
        zoned = {"unix_timestamp": TIMES, "zone": st.sampled_from(["UTC", "Europe/Berlin"])}
        return st.fixed_dictionaries(zoned).map(lambda value: VALUE(**{kind: value}))
    of = name.removesuffix("_list").removesuffix("_set")
    if of in SINGLE and of != name:
        lists = st.lists(SINGLE[of], max_size=3)
        return lists.map(lambda value: VALUE(**{kind: {"val": value}}))
    maps = Map(val={"a": Value(int64_val=1)})
    return st.sampled_from([VALUE(**{kind: nested(kind, maps)})])


def nested(kind: str, of: Message) -> Message:
    """A message of a kind that holds other values."""
    held = VALUE.DESCRIPTOR.fields_by_name[kind].message_type.name
    whole = VALUE()
    message = getattr(whole, kind)
    if held == "Map":
        message.CopyFrom(of)
    elif held == "MapList":
        message.val.add().CopyFrom(of)
    elif held == "RepeatedValue":
        message.val.add().CopyFrom(VALUE(int64_list_val={"val": [1, 2]}))
    else:
        entry = message.val.add()
        entry.key.int64_key = 3
        entry.value.CopyFrom(Value(string_val="x"))
    return message


def as_scalar(kind: str, value: object) -> Scalar:
    """What Feast says, as rules and models may use it; of a null it says 0, the enum's number."""
    if kind == "null_val":
        return None
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return float(value) if math.isfinite(float(value)) else None
    return value if isinstance(value, bool | int | float | str) else None


def same(ours: object, theirs: object) -> bool:
    """Equal to the bit, and of the same type."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return struct.pack("<d", ours) == struct.pack("<d", theirs) or ours != ours != theirs
    return type(ours) is type(theirs) and ours == theirs


@pytest.fixture
def store(site: Site, tmp_path: Path) -> FeatureStore:
    """A Feast store with one view that has a feature of every type."""
    (site.data_dir / "feast").mkdir(parents=True, exist_ok=True)
    found = open_store(site)
    source = FileSource(name="files", path=str(tmp_path), timestamp_field="event_timestamp")
    schema = [Field(name=kind, dtype=String) for kind in KINDS]
    view = FeatureView(name="every", entities=[entity], schema=schema, source=source)
    found.apply([entity, view])
    return found


@pytest.mark.parametrize("first", range(5))
@pytest.mark.usefixtures("redis")
def test_every_type_is_what_feast_reads(site: Site, store: FeatureStore, first: int) -> None:
    online, view = RedisOnlineStore(), store.get_feature_view("every")
    key = EntityKey(join_keys=["customer"], entity_values=[Value(string_val="c1")])
    client, reader = Redis.from_url(site.redis_url), OnlineReader([VIEW])
    kinds = KINDS[first::5]

    @given(st.fixed_dictionaries({kind: st.just(Value()) | values_of(kind) for kind in kinds}))
    @settings(max_examples=25, deadline=None)
    def check(values: dict[str, Value]) -> None:
        client.delete(row_key("c1"))
        online.online_write_batch(store.config, view, [(key, values, NOON, None)], None)
        answer = store.get_online_features(
            features=[f"every:{kind}" for kind in kinds], entity_rows=[{"customer": "c1"}]
        ).to_dict()
        row = reader.decode(client.execute_command("HGETALL", row_key("c1")))
        assert row.times == {"every": NOON}
        for kind in kinds:
            ours, wanted = row.values[f"every.{kind}"], as_scalar(kind, answer[kind][0])
            assert same(ours, wanted), (kind, values[kind], ours, answer[kind][0])

    check()
    client.close()


@given(st.binary(max_size=30))
def test_bytes_that_are_no_value_are_unknown_and_never_an_error(raw: bytes) -> None:
    reader = OnlineReader([VIEW])
    time = b"\x08\x01"
    reply = [b"_ts:every", time, field_hash("every", "string_val"), raw]
    value = reader.decode(reply).values["every.string_val"]
    assert value is None or isinstance(value, bool | int | float | str)


@given(st.one_of(*(values_of(kind) for kind in KINDS)))
def test_the_fast_way_and_feasts_message_agree_where_both_read(value: Value) -> None:
    raw = value.SerializeToString()
    try:
        fast = decode_value(raw)
    except DamagedValue:
        return
    assert same(fast, scalar_of(raw))


def test_feasts_message_is_loaded_without_the_rest_of_feast() -> None:
    code = (
        "import sys; from feature_store.online import OnlineReader;"
        "from feature_store.every_value import scalar_of;"
        "before = [m for m in sys.modules if m.split('.')[0] in ('feast', 'google')];"
        "assert scalar_of(bytes.fromhex('e202' '03') + b'1.5') == 1.5;"
        "print(before, [m for m in ('feast', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    assert found.stdout.strip() == b"[] []"
