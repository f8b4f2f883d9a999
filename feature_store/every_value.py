"""Values of Feast's rarer types, by Feast's own message: loaded alone, and only when one comes."""

from __future__ import annotations

import importlib.util
import json
import math
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from engine.types import Scalar
from feature_store.values import NOT_A_TIME

_MESSAGE = Path("protos", "feast", "types", "Value_pb2.py")


def scalar_of(raw: bytes) -> Scalar:
    """What a serialized value of any type is to rules and models; None where it is no scalar.

    Times are seconds since 1970, decimals numbers, UUIDs texts, JSON what it says; lists, sets,
    maps and bytes are nothing that a rule compares. Bytes that are no value at all are unknown.
    """
    message = _parsed(raw)
    kind = None if message is None else message.WhichOneof("val")
    if kind is None:
        return None
    value = getattr(message, kind)
    if kind == "json_val":
        return _from_json(value)
    if kind == "decimal_val":
        return _from_decimal(value)
    if kind == "zoned_timestamp_val":
        value = value.unix_timestamp
    if kind.endswith("timestamp_val"):
        return None if value == NOT_A_TIME else value
    if kind == "null_val" or not isinstance(value, bool | int | float | str):
        return None
    return value


def _from_json(text: str) -> Scalar:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str) else None


def _from_decimal(text: str) -> Scalar:
    try:
        number = float(Decimal(text))
    except (InvalidOperation, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _parsed(raw: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return _message().FromString(raw)
    except DecodeError:
        return None


@cache
def _message() -> Any:
    """Feast's class of values, from its file: importing all of Feast takes seconds and 40 MiB."""
    found = importlib.util.find_spec("feast")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("feast")
    place = Path(found.submodule_search_locations[0]) / _MESSAGE
    spec = importlib.util.spec_from_file_location("feast_value", place)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(str(place))
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Value
