"""Feast's protobuf values by hand: encode and decode scalars and timestamps without protobuf."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from engine.types import Scalar
from feature_store.schema import Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")
_MASK = (1 << 64) - 1
_SIGN = 1 << 63
_ABSENT = b""
NOT_A_TIME = -_SIGN
"""Feast's null among timestamps."""

# The tags of the oneof in feast.types.Value that hold scalars: (field number << 3) | wire type.
_STRING, _INT32, _INT64, _TIMESTAMP, _BOOL = 0x12, 0x18, 0x20, 0x40, 0x38
_DOUBLE_TAG, _FLOAT_TAG = 0x29, 0x35
DOUBLE_TAG = bytes((_DOUBLE_TAG,))


class DamagedValue(ValueError):
    """Bytes that are not what Feast writes for a scalar or a timestamp."""


def write_varint(number: int) -> bytes:
    """Protobuf's variable-length integer; negatives as 64-bit two's complement.

    >>> write_varint(300).hex()
    'ac02'
    """
    number &= _MASK
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(raw: bytes, at: int = 0) -> tuple[int, int]:
    """A signed 64-bit integer and the position after it. Raises DamagedValue where it is cut off.

    >>> read_varint(bytes.fromhex("ac02"))
    (300, 2)
    """
    number = shift = 0
    while at < len(raw) and shift < 70:
        byte = raw[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            number &= _MASK
            return (number - (1 << 64) if number & _SIGN else number), at
        shift += 7
    raise DamagedValue(f"an integer that never ends: {raw!r}")


def encode_value(value: Scalar, kind: Kind) -> bytes:
    """A value as a serialized feast.types.Value; None is the unset value, no bytes at all.

    Raises ValueError for a value that its kind can't hold.
    """
    if value is None:
        return _ABSENT
    match kind:
        case Kind.STRING if isinstance(value, str):
            text = value.encode()
            return b"\x12" + write_varint(len(text)) + text
        case Kind.INTEGER if isinstance(value, int) and -_SIGN <= value < _SIGN:
            return b"\x20" + write_varint(int(value))
        case Kind.NUMBER if isinstance(value, int | float):
            return b"\x29" + _DOUBLE.pack(value)
        case Kind.FLAG if isinstance(value, bool):
            return b"\x38\x01" if value else b"\x38\x00"
        case _:
            raise ValueError(f"{value!r} is not a value of type {kind.value}")


def decode_value(raw: bytes) -> Scalar:
    """The scalar in a serialized feast.types.Value; None for the unset and the null value.

    Raises DamagedValue for anything else: lists, maps, cut or foreign bytes.
    """
    if not raw or raw == b"\x98\x01\x00":
        return None
    tag = raw[0]
    if tag == _STRING:
        return _decode_text(raw)
    if tag == _DOUBLE_TAG and len(raw) == 9:
        return _DOUBLE.unpack_from(raw, 1)[0]
    if tag in (_INT64, _BOOL, _INT32, _TIMESTAMP):
        number, end = read_varint(raw, 1)
        if end != len(raw):
            raise DamagedValue(f"bytes after an integer: {raw!r}")
        if tag == _BOOL:
            return number != 0
        return None if tag == _TIMESTAMP and number == NOT_A_TIME else number
    if tag == _FLOAT_TAG and len(raw) == 5:
        return _FLOAT.unpack_from(raw, 1)[0]
    raise DamagedValue(f"not a scalar value: {raw!r}")


def _decode_text(raw: bytes) -> str:
    length, start = (raw[1], 2) if len(raw) > 1 and raw[1] < 0x80 else read_varint(raw, 1)
    if start + length != len(raw):
        raise DamagedValue(f"a text that is cut or too long: {raw!r}")
    try:
        return raw[start:].decode()
    except UnicodeDecodeError as error:
        raise DamagedValue(f"a text that is not UTF-8: {raw!r}") from error


def encode_time(at: datetime) -> bytes:
    """An aware time as a serialized google.protobuf.Timestamp, to the microsecond."""
    seconds, nanos = split_time(at)
    out = b"\x08" + write_varint(seconds) if seconds else b""
    return out + b"\x10" + write_varint(nanos) if nanos else out


def decode_time(raw: bytes) -> datetime:
    """The inverse of `encode_time`. Raises DamagedValue for bytes that are no timestamp."""
    parts = {0x08: 0, 0x10: 0}
    at = 0
    while at < len(raw):
        tag = raw[at]
        if tag not in parts:
            raise DamagedValue(f"not a timestamp: {raw!r}")
        parts[tag], at = read_varint(raw, at + 1)
    try:
        return EPOCH + timedelta(seconds=parts[0x08], microseconds=parts[0x10] // 1000)
    except OverflowError as error:
        raise DamagedValue(f"a time that no calendar has: {raw!r}") from error


def split_time(at: datetime) -> tuple[int, int]:
    """Whole seconds since 1970 and the nanoseconds after them, which are never negative."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    since = at - EPOCH
    return since.days * 86_400 + since.seconds, since.microseconds * 1000
