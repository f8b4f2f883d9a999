"""CloudEvents 1.0 over HTTP: structured, batched and binary mode, checked into one plain shape.

Written by hand: a refusal names the field and says what would be right, and data and time are
stricter than the format asks for.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import unquote

from api.errors import UnknownField, UnsupportedMediaType
from api.parsing import MAXIMUM_DEPTH, bounded, is_json, read_json, read_time, shorten, shown
from engine.errors import InvalidEvent

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
BATCH_EVENTS = 1_000
LONGEST_CHARACTERS = {"id": 256, "source": 512, "type": 128, "subject": 256}
ATTRIBUTE = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
CONTENT = frozenset({"data", "data_base64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event as it came; `subject` names the customer, `where` the event in messages."""

    source: str
    id: str
    type: str
    subject: str
    time: datetime | None
    content: Mapping[str, Any]
    where: str


def read_events(kind: str, headers: Mapping[str, str], raw: bytes) -> list[CloudEvent]:
    """The events of one request, all of them checked. `kind` is its media type.

    Raises InvalidEvent, MalformedJson, UnknownField, UnsupportedMediaType.
    """
    if kind == BATCHED:
        return [_event(each, f"event {number}") for number, each in enumerate(_batch(raw), 1)]
    if kind == STRUCTURED:
        return [_event(read_json(raw), "the event")]
    if "ce-specversion" in headers:
        return [_event(_binary(kind, headers, raw), "the event")]
    raise UnsupportedMediaType(
        f"Events come as {STRUCTURED}, as {BATCHED}, or as application/json with ce-* headers"
        f" (ce-specversion and more); this one came as {kind or 'nothing'}."
    )


def _batch(raw: bytes) -> list[Any]:
    batch = read_json(raw)
    if not isinstance(batch, list):
        raise InvalidEvent("A batch must be a JSON array of events.")
    events = cast("list[Any]", batch)
    if len(events) > BATCH_EVENTS:
        raise InvalidEvent(f"A batch may hold {BATCH_EVENTS} events; this one holds {len(events)}.")
    return events


def _binary(kind: str, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        name[3:]: _header(name, value) for name, value in headers.items() if name.startswith("ce-")
    }
    if raw and not is_json(kind):
        raise UnsupportedMediaType(
            f"The data of an event must be application/json; it is {kind or 'of no type'}."
        )
    return {**attributes, "data": read_json(raw)} if raw else attributes


def _header(name: str, value: str) -> str:
    try:
        return unquote(value.encode("latin-1").decode(), errors="strict")
    except UnicodeDecodeError:
        raise InvalidEvent(f"The header {name} is not percent-encoded UTF-8.") from None


def _event(given: Any, where: str) -> CloudEvent:
    if not isinstance(given, dict):
        raise InvalidEvent(f"{where}: should be an object, not {shown(given)}.")
    members = cast("dict[str, Any]", given)
    where = f"{where} (id {shown(members['id'])})" if isinstance(members.get("id"), str) else where
    _check_names(members, where)
    if members.get("specversion") != "1.0":
        raise InvalidEvent(
            f'{where}: specversion must be "1.0", not {shown(members.get("specversion"))}.'
        )
    named = {name: _required(members, name, where) for name in LONGEST_CHARACTERS}
    return CloudEvent(
        **named, time=_time(members, where), content=_content(members, where), where=where
    )


def _check_names(members: Mapping[str, Any], where: str) -> None:
    for name, value in members.items():
        if name in CONTENT:
            continue
        if not ATTRIBUTE.fullmatch(name):
            raise UnknownField(
                f"{where}: {shorten(name)} is not a field of a CloudEvent; extensions have names of"
                " a-z and 0-9, and what is special to a type belongs into data."
            )
        if isinstance(value, dict | list):
            raise InvalidEvent(
                f"{where}: the attribute {name} must be text, a number or a boolean."
            )


def _required(members: Mapping[str, Any], name: str, where: str) -> str:
    value = members.get(name)
    if value is None:
        told = ": it names the customer" if name == "subject" else ""
        raise InvalidEvent(f"{where}: {name} is missing{told}.")
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InvalidEvent(f"{where}: {name} must be text that is not empty, not {shown(value)}.")
    if len(value) > LONGEST_CHARACTERS[name]:
        raise InvalidEvent(
            f"{where}: {name} may have {LONGEST_CHARACTERS[name]} characters, not {len(value)}."
        )
    return value


def _time(members: Mapping[str, Any], where: str) -> datetime | None:
    if members.get("time") is None:
        return None
    try:
        return read_time(members["time"])
    except ValueError as error:
        raise InvalidEvent(f"{where}: time {error}, not {shown(members['time'])}.") from None


def _content(members: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    kind = members.get("datacontenttype") or "application/json"
    if not is_json(str(kind).partition(";")[0].strip().lower()):
        raise InvalidEvent(f"{where}: datacontenttype must be application/json, not {shown(kind)}.")
    content = _decoded(members, where)
    if not isinstance(content, dict):
        raise InvalidEvent(f"{where}: data must be an object, not {shown(content)}.")
    try:
        return cast("dict[str, Any]", bounded(content))
    except ValueError:
        raise InvalidEvent(
            f"{where}: data must not be nested deeper than {MAXIMUM_DEPTH}."
        ) from None


def _decoded(members: Mapping[str, Any], where: str) -> Any:
    encoded = members.get("data_base64")
    if encoded is None:
        content = members.get("data")
        return {} if content is None else content
    if members.get("data") is not None:
        raise InvalidEvent(f"{where}: has both data and data_base64; one of them is enough.")
    try:
        return read_json(base64.b64decode(encoded, validate=True))
    except (TypeError, ValueError, binascii.Error):
        raise InvalidEvent(f"{where}: data_base64 is not base64.") from None


def subjects(events: Iterable[CloudEvent]) -> list[str]:
    """Each customer that the events name, once, in order."""
    return list(dict.fromkeys(event.subject for event in events))
