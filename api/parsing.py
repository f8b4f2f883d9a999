"""From bytes to checked requests: JSON, the shared field types, and refusals that help."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar, cast, get_args
from urllib.parse import unquote

import orjson
from fastapi import Path, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StringConstraints,
    Tag,
    ValidationError,
)

from api.errors import InvalidField, MalformedJson, MissingField, UnknownField, UnsupportedMediaType
from engine.errors import InvalidInput

MAXIMUM_DEPTH = 8
SHOWN_CHARACTERS = 60
SHOWN_PROBLEMS = 3
BRANCHES = frozenset({"(id)", "(alias)"})
SPEAKER = re.compile(r"^(Value error, |Input |String |List |Dictionary )")
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)

Model = TypeVar("Model", bound=BaseModel)
Problem = Mapping[str, Any]
"""One problem as Pydantic tells it: `type`, `loc`, `msg`, `input`."""


def read_time(given: object) -> datetime:
    """A time of RFC 3339, offset and all, in UTC. Raises ValueError for anything else."""
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or not RFC_3339.fullmatch(given):
        raise ValueError(
            "should be a time of RFC 3339 with an offset, such as 2026-03-01T12:00:00Z"
        )
    try:
        return datetime.fromisoformat(given.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("should be a time that exists, such as 2026-03-01T12:00:00Z") from None


def bounded(value: Any) -> Any:
    """Free JSON, as it is. Raises ValueError when it is nested deeper than MAXIMUM_DEPTH."""
    _measure(value, MAXIMUM_DEPTH)
    return value


def _measure(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not left:
        raise ValueError(f"should not be nested deeper than {MAXIMUM_DEPTH}")
    inner = cast("dict[str, Any] | list[Any]", value)
    for part in inner.values() if isinstance(inner, dict) else inner:
        _measure(part, left - 1)


def _which(given: object) -> str:
    return "(alias)" if isinstance(given, dict | Alias) else "(id)"


Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"\S")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"\S")]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]
Time = Annotated[datetime, BeforeValidator(read_time)]
Json = Annotated[Any, AfterValidator(bounded)]


class Contract(BaseModel):
    """A part of the contract with the outside: no other fields, no other kinds of values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Alias(Contract):
    """Another name of a customer, such as an e-mail address."""

    type: Name
    id: Key


CustomerName = Annotated[
    Annotated[Key, Tag("(id)")] | Annotated[Alias, Tag("(alias)")], Discriminator(_which)
]


def read_json(raw: bytes) -> Any:
    """JSON as the contract wants it: UTF-8, finite numbers, whole characters, no NUL.

    Raises MalformedJson with the position, InvalidField for a NUL.
    """
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedJson(f"The body is not JSON: {error}.") from None
    if b"\\u0000" in raw and _holds_nul(parsed):
        raise InvalidField("The body holds a NUL character (\\u0000); text must not.")
    return parsed


def _holds_nul(parsed: Any) -> bool:
    waiting = [parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            waiting += [*members.keys(), *members.values()]
        elif isinstance(value, list):
            waiting += cast("list[Any]", value)
        elif isinstance(value, str) and "\0" in value:
            return True
    return False


def media_type(request: Request) -> str:
    """The content type of a request without parameters, in lower case; empty if there is none.

    Raises UnsupportedMediaType for another character set than UTF-8.
    """
    return media_type_of(request.headers.get("content-type", ""))


def media_type_of(content_type: str) -> str:
    """As `media_type`, of the header's text."""
    kind, _, parameters = content_type.partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(f"The character set must be utf-8, not {charset[1]!r}.")
    return kind.strip().lower()


def is_json(kind: str) -> bool:
    """Whether a media type says JSON."""
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


async def read_model(request: Request, model: type[Model], what: str) -> Model:
    """The body of a request as a model. `what` names it in refusals: "a decision request"."""
    content_type = request.headers.get("content-type", "")
    refuse_unless_json(content_type)
    return as_model(await request.body(), content_type, model, what)


def as_model(raw: bytes, content_type: str, model: type[Model], what: str) -> Model:
    """A body of this content type as a model."""
    if content_type != "application/json":
        refuse_unless_json(content_type)
    return check(model, read_json(raw), what)


def refuse_unless_json(content_type: str) -> None:
    """Raises UnsupportedMediaType for anything but JSON in UTF-8."""
    kind = media_type_of(content_type)
    if not is_json(kind):
        raise UnsupportedMediaType(
            f"Content-Type must be application/json; it is {kind or 'missing'}."
        )


def check(model: type[Model], parsed: Any, what: str) -> Model:
    """Parsed JSON as a model. Raises UnknownField, MissingField, InvalidField."""
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        refuse(error.errors(include_url=False, include_context=False), what, model)


def refuse(problems: Sequence[Any], what: str, model: type[BaseModel]) -> NoReturn:
    """Raise the refusal of these problems; an unknown field comes first: it explains others."""
    ordered: list[Problem] = sorted(problems, key=lambda one: one["type"] != "extra_forbidden")
    told = [_sentence(one, what, model) for one in ordered[:SHOWN_PROBLEMS]]
    whole = "; ".join(told)
    raise _kind(ordered[0])(whole if whole.endswith("?") else whole + ".")


def _kind(one: Problem) -> type[InvalidInput]:
    return {"extra_forbidden": UnknownField, "missing": MissingField}.get(one["type"], InvalidField)


def _sentence(one: Problem, what: str, model: type[BaseModel]) -> str:
    path = [part for part in one["loc"] if part not in BRANCHES]
    name = _dotted(path) or "the body"
    if one["type"] == "extra_forbidden":
        meant = _meant(str(path[-1]), fields_at(model, path[:-1]))
        return f"{shorten(name)} is not a field of {what}; {meant}"
    if one["type"] == "missing":
        return f"{name} is missing in {what}"
    told = f"{shorten(name)} {demand(one)}"
    counted = one["type"] in ("too_short", "too_long")  # says itself how many there are
    told_already = counted or one["input"] == ""
    return told if told_already else f"{told}, not {shown(one['input'])}"


def demand(one: Problem) -> str:
    """What a field should be, in the words of the contract instead of Pydantic's."""
    if one["type"] in ("model_type", "dict_type"):
        return "should be an object"
    if one["type"] in ("bool_type", "bool_parsing"):
        return "should be true or false"
    if one["type"] == "string_too_short" or one["msg"].endswith(r"pattern '\S'"):
        return "should not be empty"
    return SPEAKER.sub("", str(one["msg"])).replace(" after validation", "")


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(
        "."
    )


def _meant(given: str, fields: Sequence[str]) -> str:
    close = difflib.get_close_matches(given[:SHOWN_CHARACTERS], fields, 1, 0.6)
    return f"did you mean {close[0]}?" if close else f"it has {', '.join(fields)}"


def fields_at(model: type[BaseModel], path: Sequence[str | int]) -> tuple[str, ...]:
    """The fields of the model that is found along a path from another model."""
    for part in path:
        field = model.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is not None:
            model = next(_models(field.annotation), model)
    return tuple(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def shorten(text: str) -> str:
    """A text short enough for a message."""
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def shown(given: Any) -> str:
    """A value as it is shown in a message: short, and never the inside of an object."""
    if isinstance(given, str):
        return f'"{shorten(given)}"'
    if isinstance(given, dict | list):
        return "an object" if isinstance(given, dict) else "a list"
    if given is None or isinstance(given, bool):
        return orjson.dumps(given).decode()
    return shorten(str(given))


def refusal_of_query(problems: Sequence[Any]) -> InvalidInput:
    """The refusal of query parameters that FastAPI did not accept."""
    one: Problem = min(problems, key=lambda each: each["type"] != "extra_forbidden")
    name = shorten(_dotted(one["loc"][1:]))
    if one["type"] == "extra_forbidden":
        return UnknownField(
            f"{name} is not a query parameter of this route; /openapi.json lists them."
        )
    if one["type"] == "missing":
        return MissingField(f"The query parameter {name} is missing.")
    return InvalidField(f"The query parameter {name} {demand(one)}, not {shown(one['input'])}.")


def decode_segment(segment: str) -> str:
    """One percent-encoded part of a path, as it was meant. Raises InvalidField."""
    try:
        decoded = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise InvalidField(
            f"The path part {shorten(segment)} is not percent-encoded UTF-8."
        ) from None
    if "\0" in decoded or not decoded.strip():
        raise InvalidField("A part of the path is empty or holds a NUL character.")
    if len(decoded) > 256:
        raise InvalidField("A part of the path is longer than 256 characters.")
    return decoded


Segment = Annotated[str, Path(), AfterValidator(decode_segment)]
"""A part of a path; see RawPath in api/security.py for why it is decoded here."""
