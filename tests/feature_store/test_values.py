"""Encoding and decoding by hand agrees with protobuf, both ways, and survives damage."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from feast.protos.feast.types.Value_pb2 import Null, StringList, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from engine.types import Scalar
from feature_store.schema import Kind
from feature_store.values import (
    DamagedValue,
    decode_time,
    decode_value,
    encode_time,
    encode_value,
)

LONG = st.integers(-(2**63), 2**63 - 1)
TIMES = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - the strategy wants naive bounds
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(st.text())
def test_a_text_is_what_protobuf_makes_of_it(text: str) -> None:
    assert encode_value(text, Kind.STRING) == Value(string_val=text).SerializeToString()
    assert decode_value(encode_value(text, Kind.STRING)) == text


@given(LONG)
def test_a_whole_number_is_what_protobuf_makes_of_it(number: int) -> None:
    assert encode_value(number, Kind.INTEGER) == Value(int64_val=number).SerializeToString()
    assert decode_value(encode_value(number, Kind.INTEGER)) == number


@given(st.floats())
def test_a_number_is_what_protobuf_makes_of_it(number: float) -> None:
    assert encode_value(number, Kind.NUMBER) == Value(double_val=number).SerializeToString()
    found = decode_value(encode_value(number, Kind.NUMBER))
    assert found == number or (math.isnan(number) and isinstance(found, float) and found != found)


@given(st.booleans())
def test_a_flag_is_what_protobuf_makes_of_it(flag: bool) -> None:
    assert encode_value(flag, Kind.FLAG) == Value(bool_val=flag).SerializeToString()
    assert decode_value(encode_value(flag, Kind.FLAG)) is flag


@given(TIMES)
def test_a_time_is_what_protobuf_makes_of_it(at: datetime) -> None:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    assert encode_time(at) == stamp.SerializeToString()
    assert decode_time(encode_time(at)) == at


@given(st.integers(-(2**31), 2**31 - 1), st.floats(width=32, allow_nan=False))
def test_the_other_scalars_that_feast_may_hold_are_read_too(whole: int, number: float) -> None:
    assert decode_value(Value(int32_val=whole).SerializeToString()) == whole
    assert decode_value(Value(unix_timestamp_val=whole).SerializeToString()) == whole
    assert decode_value(Value(float_val=number).SerializeToString()) == number


def test_unset_and_null_are_unknown() -> None:
    assert decode_value(Value().SerializeToString()) is None
    assert decode_value(Value(null_val=Null.NULL).SerializeToString()) is None
    assert encode_value(None, Kind.INTEGER) == b""


def test_zero_false_and_empty_are_known() -> None:
    assert decode_value(encode_value(0, Kind.INTEGER)) == 0
    assert decode_value(encode_value(False, Kind.FLAG)) is False
    assert decode_value(encode_value("", Kind.STRING)) == ""


@given(st.binary(max_size=30))
def test_no_bytes_do_worse_than_being_called_damaged(raw: bytes) -> None:
    for decode in (decode_value, decode_time):
        try:
            decode(raw)
        except DamagedValue:
            continue


@given(st.text(min_size=1), st.integers(1, 20))
def test_a_cut_value_is_damaged(text: str, cut: int) -> None:
    raw = encode_value(text, Kind.STRING)
    with pytest.raises(DamagedValue):
        decode_value(raw[: max(1, len(raw) - cut)])


def test_a_list_is_no_scalar() -> None:
    with pytest.raises(DamagedValue):
        decode_value(Value(string_list_val=StringList(val=["a"])).SerializeToString())


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("4", Kind.INTEGER),
        (4.0, Kind.INTEGER),
        (2**63, Kind.INTEGER),
        (1, Kind.STRING),
        (1, Kind.FLAG),
        ("x", Kind.NUMBER),
    ],
)
def test_a_value_of_another_type_is_refused(value: Scalar, kind: Kind) -> None:
    with pytest.raises(ValueError, match="is not a value of type"):
        encode_value(value, kind)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        encode_time(datetime(2026, 1, 1))  # noqa: DTZ001
