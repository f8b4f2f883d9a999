"""The index of the journal in Redis: its connections, its scripts, what is read of it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import inspect
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import redis.asyncio as redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from engine.errors import LiveStateUnavailable
from engine.ledger import contacts, keys
from engine.ledger.circles import Circles
from engine.ledger.script import Script, run, unavailable
from engine.ledger.state import LiveState, decode_state
from engine.ledger.wire import Command, Wire
from engine.types import Contact, Hold, HoldState

_CONNECTIONS = 64
_TURN_SECONDS = 1.0
"""How long a call may wait for one of them to be free."""
LATEST_DECISIONS = 5

GREET = Script("greet")
READ = Script("read")
COMMIT = Script("commit", "circles", "units")
PLACE_HOLD = Script("place_hold")
RELEASE_HOLD = Script("release_hold")
SET_CONSENT = Script("set_consent")
ADD_CONTACT = Script("add_contact", "contacts", "circles")
JOIN = Script("join", "contacts", "circles")
SET_FIELD = Script("set_field")
RUN_ID = Script("run_id")
CLEAR = Script("clear")
FINISH_REBUILD = Script("finish_rebuild")


async def read(
    wire: Wire, customer: str, since: int, *more: Command, seconds: float | None = None
) -> list[Any]:
    """The live state of a customer, and the replies of further commands, in one round trip.

    Commands of their own cost the server a third of what a script costs. Something may come in
    between, but the version is read before the contacts, so a commit on it will be refused.
    `since`: contacts later than these milliseconds. Raises LiveStateUnavailable.
    """
    marker, fields, kept, *others = await wire.call(
        ("GET", keys.MARKER),
        ("HGETALL", keys.live(customer)),
        ("GET", keys.contacts(customer)),
        *more,
        seconds=seconds,
    )
    for reply in (marker, fields, kept):
        if isinstance(reply, RedisError):
            raise unavailable(reply)
    return [await state_of(wire, (marker, fields, kept, None), since, seconds), *others]


async def claim(
    wire: Wire,
    customer: str,
    since: int,
    request: tuple[str, str, int],
    *more: Command,
    seconds: float | None = None,
) -> list[Any]:
    """The same with the stored answer of a request id, or the claim to compute it.

    `request`: the id, the claim, and its lease in milliseconds.
    """
    request_id, claimed, lease = request
    names = [keys.MARKER, keys.live(customer), keys.contacts(customer)]
    names.append(keys.answer(customer, request_id))
    reply, *others = await run(wire, READ, names, (claimed, lease), *more, seconds=seconds)
    return [await state_of(wire, reply, since, seconds), *others]


async def state_of(
    wire: Wire, reply: Sequence[Any], since: int, seconds: float | None = None
) -> LiveState:
    """The state in the reply of `read.lua` or a refused `commit.lua`.

    Asks Redis for words that this process has not met yet. Raises LiveStateUnavailable.
    """
    marker, _, kept, _ = reply
    found = await _contacts(wire, marker, kept, since, seconds)
    return decode_state(reply, found)


async def _contacts(
    wire: Wire, marker: bytes | None, kept: bytes | None, since: int, seconds: float | None
) -> Sequence[Contact]:
    vocabulary = contacts.VOCABULARY
    try:
        return vocabulary.decode(marker, kept, since)
    except contacts.UnknownWords:
        asked = sorted(contacts.codes(kept or b"") - vocabulary.under(marker).keys())
    (told,) = await wire.call(("HMGET", keys.WORDS, *asked), seconds=seconds)
    if isinstance(told, RedisError):
        raise unavailable(told)
    vocabulary.learn(marker, dict(zip(asked, told, strict=True)))
    try:
        return vocabulary.decode(marker, kept, since)
    except contacts.UnknownWords:
        raise LiveStateUnavailable("Redis has lost what its contacts are about") from None


def wired(url: str) -> Wire:
    """The connection of decisions: it distrusts a marker from another server process, too."""
    return Wire(url, [("EVAL", GREET.text, 1, keys.MARKER)])


async def _greet(connection: AbstractConnection) -> None:
    """Removes a marker that survived a restart or a fail-over before anything reads it."""
    await connection.on_connect()
    await connection.send_command("EVAL", GREET.text, 1, keys.MARKER)
    await connection.read_response()


def connect(url: str) -> redis.Redis:
    """A client whose every new connection distrusts a marker from another server process."""
    pool = redis.BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        max_connections=_CONNECTIONS,
        timeout=_TURN_SECONDS,
        socket_timeout=2.0,
        socket_connect_timeout=1.0,
        redis_connect_func=_greet,
    )
    return redis.Redis(connection_pool=pool)


def wall_milliseconds() -> int:
    """Wall time for leases, which no time-lapse shortens."""
    return round(time.time() * 1000)


async def close(client: redis.Redis) -> None:
    """Closes a client and all its connections."""
    result = client.aclose(close_connection_pool=True)
    if inspect.isawaitable(result):
        await result


async def holds_lost(
    client: redis.Redis, held: Sequence[tuple[str, Hold]]
) -> list[tuple[str, Hold]]:
    """Those of these holds that Redis does not know. Raises LiveStateUnavailable."""
    try:
        async with client.pipeline(transaction=False) as pipe:
            for customer, hold in held:
                pipe.hexists(keys.live(customer), f"h:{hold.id}")
            found: list[Any] = await pipe.execute()
    except (RedisError, OSError) as error:
        raise unavailable(error) from error
    return [one for one, known in zip(held, found, strict=True) if not known]


def orphan(hold: Hold) -> Hold:
    """The hold after its owner was lost."""
    return replace(hold, state=HoldState.ORPHANED)


async def with_circles(
    wire: Wire,
    state: LiveState,
    scopes: Collection[str],
    since: int,
    seconds: float | None = None,
) -> LiveState:
    """The state with the contacts of the customer's circles of some scopes.

    Nothing is asked of Redis where there are none. Raises LiveStateUnavailable.
    """
    asked = [(scope, circle) for scope, circle in state.circles.items() if scope in scopes]
    if not asked or not state.marker:
        return state
    commands: list[Command] = []
    for _, circle in asked:  # the version first: see `read`
        commands += [("HGET", keys.live(circle), "v"), ("GET", keys.contacts(circle))]
    found = await wire.call(*commands, seconds=seconds)
    for reply in found:
        if isinstance(reply, RedisError):
            raise unavailable(reply)
    names = [scope for scope, _ in asked]
    marker = state.marker.encode()
    shared = [await _contacts(wire, marker, kept, since, seconds) for kept in found[1::2]]
    versions = (int(version or 0) for version in found[::2])
    circles = Circles(
        contacts=dict(zip(names, shared, strict=True)),
        read=dict(zip(names, versions, strict=True)),
    )
    return replace(state, shared=circles)
