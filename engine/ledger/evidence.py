"""How many answers each action has had on each channel: what smoothing and maturity go by."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import redis.asyncio as redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, case, func, select

from engine.catalog import Exploration
from engine.ledger import keys, tables
from engine.ledger.journal import Journal
from engine.ledger.script import unavailable

POSITIVE = frozenset({"accept", "convert"})
"""The outcomes that say yes; an offer that has both said yes once."""
TRIAL = "impression"
"""Without a yes it is a no; an offer that was seen twice was tried once."""
_YES, _SEEN = "yes", "seen"
_rows = tables.outcomes


def first_of_its_kind(
    connection: Connection, decision_id: str, treatment: str, outcome: str
) -> str:
    """What an outcome that has just been written adds one to: `yes`, `seen`, or nothing."""
    kind = _kind(outcome)
    if not kind:
        return ""
    alike = POSITIVE if kind == _YES else {TRIAL}
    query = select(func.count()).select_from(_rows).where(_rows.c.outcome.in_(alike))
    query = query.filter_by(decision_id=decision_id, treatment=treatment)
    return kind if connection.execute(query).scalar_one() == 1 else ""


async def count(client: redis.Redis, action: str, channel: str, kind: str) -> None:
    """Adds one answer. Raises LiveStateUnavailable."""
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
    kind = case((_rows.c.outcome == TRIAL, _SEEN), else_=_YES).label("kind")
    offers = (
        select(_rows.c.action, _rows.c.channel, kind, _rows.c.decision_id, _rows.c.treatment)
        .where(_rows.c.outcome.in_({TRIAL, *POSITIVE}))
        .distinct()
        .subquery()
    )
    told = (offers.c.action, offers.c.channel, offers.c.kind)
    found = connection.execute(select(*told, func.count()).group_by(*told))
    return {f"{action}|{channel}|{kind}": count for action, channel, kind, count in found}


def _kind(outcome: str) -> str:
    if outcome in POSITIVE:
        return _YES
    return _SEEN if outcome == TRIAL else ""


class EvidenceCounts:
    """The answers so far, for the scorer of one process; nothing while the bundle explores not."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._counts: dict[str, int] = {}
        self._told: dict[tuple[str, str], tuple[int, int]] = {}
        self.wanted = False

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
        counts = {name.decode(): int(number) for name, number in found.items()}
        if counts != self._counts:
            self._counts, self._told = counts, {}

    def of(self, action: str, channel: str) -> tuple[int, int]:
        """The positive and negative answers to an action on a channel.

        A negative is an offer that was seen and not accepted, as far as is known by now; where no
        impressions are told, as in an e-mail, there are positive answers only.
        """
        told = self._told.get((action, channel))
        if told is None:
            yes = self._counts.get(f"{action}|{channel}|{_YES}", 0)
            no = max(0, self._counts.get(f"{action}|{channel}|{_SEEN}", 0) - yes)
            told = self._told[action, channel] = yes, no
        return told
