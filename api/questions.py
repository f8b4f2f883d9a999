"""From the body of a request to a question to the engine; what was asked before costs little."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, cast

import orjson
from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter

from api.parsing import Alias, Contract, CustomerName, Json, Key, Name, check, read_json
from engine.frozen import maker
from engine.live import Ask
from engine.types import Placement

WHAT = "a decision request"
_KNOWN_QUESTIONS = 2_048
_LONGEST_KNOWN_BYTES = 1_024
_is_customer = TypeAdapter[str](Key).validator.isinstance_python
_made = maker(Ask)


class PlacementAsked(Contract):
    """A place that takes up to `limit` offers."""

    name: Name = "main"
    limit: Annotated[int, Field(ge=1, le=50)] = 1


def _differently_named(placements: list[PlacementAsked]) -> list[PlacementAsked]:
    if len({placement.name for placement in placements}) < len(placements):
        raise ValueError("should have placements of different names")
    return placements


class DecisionRequest(Contract):
    """Who is asked about, where, and what is going on there."""

    customer: CustomerName
    channel: Name
    placements: Annotated[
        list[PlacementAsked],
        Field(min_length=1, max_length=20),
        AfterValidator(_differently_named),
    ] = Field(default_factory=lambda: [PlacementAsked()])
    context: Annotated[dict[Name, Json], Field(max_length=64)] = Field(
        default_factory=dict[str, Any]
    )
    deadline_ms: Annotated[int, Field(ge=1, le=10_000)] = 500
    explain: bool = False
    dry_run: bool = False
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None


class Question(NamedTuple):
    """A request that was checked, without the customer: many ask the same of many customers."""

    channel: str
    placements: tuple[Placement, ...]
    context: Mapping[str, Any]
    deadline_ms: int
    explain: bool
    dry_run: bool
    request_id: str | None
    digest: str

    def of(self, customer: str, waited_ms: int = 0) -> Ask:
        """The question about the customer of this reference, who has waited so long already."""
        return _made(
            customer=customer,
            channel=self.channel,
            placements=self.placements,
            context=self.context,
            deadline_ms=max(1, self.deadline_ms - waited_ms),
            explain=self.explain,
            dry_run=self.dry_run,
            request_id=self.request_id,
            digest=self.digest,
        )


class Questions:
    """Reads requests. What differs only in its customer from what was read before is not checked,
    and not made, again: it is found by value."""

    def __init__(self) -> None:
        self._known: dict[bytes, Question] = {}

    def read(self, raw: bytes) -> tuple[str | Alias, Question]:
        """The customer as the caller names it, and what is asked.

        Raises MalformedJson, UnknownField, MissingField, InvalidField.
        """
        parsed = read_json(raw)
        rest = _without_customer(parsed)
        if rest is None:
            asked = check(DecisionRequest, parsed, WHAT)
            return asked.customer, _question(asked)
        known = self._known.get(rest)
        if known is None:
            known = _question(check(DecisionRequest, parsed, WHAT))
            if len(self._known) >= _KNOWN_QUESTIONS:
                self._known.clear()
            self._known[rest] = known
        return parsed["customer"], known


def _without_customer(parsed: Any) -> bytes | None:
    """All but the customer, by value; None where that is not worth remembering, or not right."""
    if not isinstance(parsed, dict) or "request_id" in parsed:
        return None
    rest = cast("dict[str, Any]", parsed).copy()
    customer = rest.pop("customer", None)
    if type(customer) is not str or not _is_customer(customer):
        return None
    try:
        value = orjson.dumps(rest)
    except TypeError:  # nested more deeply than can be written, and than is allowed
        return None
    return value if len(value) <= _LONGEST_KNOWN_BYTES else None


def _question(asked: DecisionRequest) -> Question:
    return Question(
        channel=asked.channel,
        placements=tuple(Placement(name=one.name, limit=one.limit) for one in asked.placements),
        context=asked.context,
        deadline_ms=asked.deadline_ms,
        explain=asked.explain,
        dry_run=asked.dry_run,
        request_id=asked.request_id,
        digest=digest(asked),
    )


def digest(asked: DecisionRequest) -> str:
    """What is compared when a `request_id` comes again: everything else in the request."""
    if asked.request_id is None:
        return ""
    rest = asked.model_dump(exclude={"request_id"})
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def known_as(customer: str | Alias) -> str | tuple[str, str]:
    """The name of a customer as the ledger takes it."""
    return customer if isinstance(customer, str) else (customer.type, customer.id)
