"""How many answers each action has had on each channel: what smoothing and maturity go by."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio as redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, Select, Table, func, literal, select, union

from engine.catalog import Exploration
from engine.ledger import keys, tables
from engine.ledger.journal import Journal
from engine.ledger.script import unavailable
from engine.types import Answers

POSITIVE = frozenset({"accept", "convert"})
"""The outcomes that say yes; an offer that has both said yes once."""
_YES, _SEEN = "yes", "seen"
_rows, _messages = tables.outcomes, tables.messages
_DELIVERED = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A treatment that a decision offered to a customer."""

    customer: str
    decision_id: str
    treatment: str


def added_by(connection: Connection, offer: Offered, outcome: str) -> tuple[str, ...]:
    """What an outcome that has just been written adds one to: `seen`, `yes`, both, or nothing.

    Whatever is told of an offer, somebody saw it; one that was seen twice was tried once.
    """
    told = _told(connection, offer)
    seen = len(told) == 1 and not _deliveries(connection, offer)
    yes = outcome in POSITIVE and sum(one in POSITIVE for one in told) == 1
    return (*((_SEEN,) if seen else ()), *((_YES,) if yes else ()))


def added_by_delivery(connection: Connection, offer: Offered) -> tuple[str, ...]:
    """What a message adds one to, that has just been noted as delivered: `seen`, or nothing."""
    first = _deliveries(connection, offer) == 1 and not _told(connection, offer)
    return (_SEEN,) if first else ()


def _told(connection: Connection, offer: Offered) -> Sequence[str]:
    query = select(_rows.c.outcome).filter_by(
        decision_id=offer.decision_id, treatment=offer.treatment
    )
    return connection.execute(query).scalars().all()


def _deliveries(connection: Connection, offer: Offered) -> int:
    query = select(func.count()).select_from(_messages)
    query = query.filter_by(
        customer=offer.customer,  # there is an index of customers
        decision_id=offer.decision_id,
        treatment=offer.treatment,
        state=_DELIVERED,
    )
    return connection.execute(query).scalar_one()


async def count(client: redis.Redis, action: str, channel: str, kinds: Sequence[str]) -> None:
    """Adds one answer of each kind. Raises LiveStateUnavailable."""
    for kind in kinds:
        call = client.hincrby(keys.EVIDENCE, f"{action}|{channel}|{kind}", 1)
        try:
            await cast(Awaitable[int], call)
        except (RedisError, OSError) as error:
            raise unavailable(error) from error


async def count_again(journal: Journal, client: redis.Redis) -> None:
    """Counts all answers of the journal, for a rebuild. Raises LiveStateUnavailable."""
    counts = await journal.read(_all)
    try:
        async with client.pipeline(transaction=True) as pipe:
            pipe.delete(keys.EVIDENCE)
            if counts:
                pipe.hset(keys.EVIDENCE, mapping=cast(dict[str | bytes, Any], counts))
            await pipe.execute()
    except (RedisError, OSError) as error:
        raise unavailable(error) from error


def _all(connection: Connection) -> dict[str, int]:
    told = [_offers(_rows, _SEEN), _offers(_rows, _YES).where(_rows.c.outcome.in_(POSITIVE))]
    sent = _offers(_messages, _SEEN).where(_messages.c.state == _DELIVERED)
    offers = union(*told, sent).subquery()  # each offer once
    by = (offers.c.action, offers.c.channel, offers.c.kind)
    found = connection.execute(select(*by, func.count()).group_by(*by))
    return {f"{action}|{channel}|{kind}": count for action, channel, kind, count in found}


def _offers(table: Table, kind: str) -> Select[Any, Any, Any, Any, str]:
    row = table.c
    return select(
        row.action, row.channel, row.decision_id, row.treatment, literal(kind).label("kind")
    )


class EvidenceCounts:
    """The answers so far, for the scorer of one process; nothing while the bundle explores not."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._counts: dict[str, int] = {}
        self._told: dict[tuple[str, str], Answers] = {}
        self._learned: Mapping[str, int] | None = None
        self.wanted = False

    def learned(self, counts: Mapping[str, int] | None) -> None:
        """Says from how many answers the model in use knows each `action|channel`; None: nobody
        counted that, or there is no model.
        """
        self._learned, self._told = counts, {}

    async def refresh(self, terms: Exploration) -> None:
        """Reads the counts where the bundle goes by them: cheap enough for every second.

        Raises LiveStateUnavailable; what was known stays.
        """
        self.wanted = bool(terms.smoothing_evidence or terms.thompson or terms.mature_positives)
        if not self.wanted:
            self._counts, self._told = {}, {}
            return
        try:
            found = await cast(Awaitable[dict[bytes, bytes]], self._redis.hgetall(keys.EVIDENCE))
        except (RedisError, OSError) as error:
            raise unavailable(error) from error
        self.take({name.decode(): int(number) for name, number in found.items()})

    def take(self, counts: Mapping[str, int]) -> None:
        """Goes by these counts, of each `action|channel|kind`, from now on."""
        if counts != self._counts:
            self._counts, self._told = dict(counts), {}

    def of(self, action: str, channel: str) -> Answers:
        """The positive and negative answers to an action on a channel, and how many of them the
        model has learned from, if that is known.

        A negative is an offer that was seen or delivered and not accepted, as far as is known now.
        """
        told = self._told.get((action, channel))
        if told is None:
            yes = self._counts.get(f"{action}|{channel}|{_YES}", 0)
            no = max(0, self._counts.get(f"{action}|{channel}|{_SEEN}", 0) - yes)
            learned = self._learned
            model = () if learned is None else (learned.get(f"{action}|{channel}", 0),)
            told = self._told[action, channel] = (yes, no, *model)
        return told
