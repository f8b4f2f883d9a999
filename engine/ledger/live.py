"""The index of the journal in Redis: its scripts, its connection, its state as objects."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import orjson
import redis.asyncio as redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError

from engine.errors import LiveStateUnavailable
from engine.frozen import maker
from engine.ledger import contacts, keys
from engine.ledger.circles import NONE, Circles
from engine.ledger.clock import from_milliseconds, milliseconds
from engine.ledger.wire import Command, Wire
from engine.types import (
    Contact,
    FeatureRow,
    Hold,
    HoldState,
    JourneyState,
    Planned,
    Remembered,
    Reservation,
    Session,
    Snapshot,
)

_CONNECTIONS = 64
_TURN_SECONDS = 1.0
"""How long a call may wait for one of them to be free."""
_PIPELINED = 1_000
LATEST_DECISIONS = 5
KEPT = "r:"
"""Before the bucket and action of a unit that is kept for the customer."""


class Script:
    """A Lua script of `scripts/`, called by its hash, and loaded where the server lacks it.

    `parts` are other files of that folder, put before it.
    """

    def __init__(self, name: str, *parts: str) -> None:
        folder = Path(__file__).parent / "scripts"
        self.text = "".join((folder / f"{one}.lua").read_text() for one in (*parts, name))
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self, client: redis.Redis, names: Sequence[str], arguments: Sequence[Any] = ()
    ) -> Any:
        """Runs the script. Raises LiveStateUnavailable when Redis can't be reached or refuses."""
        try:
            try:
                return await self._evaluate("EVALSHA", self.sha, client, names, arguments)
            except NoScriptError:
                return await self._evaluate("EVAL", self.text, client, names, arguments)
        except (RedisError, OSError) as error:
            raise unavailable(error) from error

    def command(self, names: Sequence[str], arguments: Sequence[Any]) -> Command:
        """The command that runs it on a server that knows it."""
        return "EVALSHA", self.sha, len(names), *names, *arguments

    async def many(
        self, client: redis.Redis, calls: Sequence[tuple[Sequence[str], Sequence[Any]]]
    ) -> None:
        """Runs the script for many (keys, arguments), pipelined. Raises LiveStateUnavailable."""
        try:
            await self.load(client)
            for start in range(0, len(calls), _PIPELINED):
                async with client.pipeline(transaction=False) as pipe:
                    for names, arguments in calls[start : start + _PIPELINED]:
                        pipe.execute_command(*self.command(names, arguments))
                    await pipe.execute()
        except (RedisError, OSError) as error:
            raise unavailable(error) from error

    async def load(self, client: redis.Redis) -> None:
        """Makes the server know the script."""
        await cast(Awaitable[Any], client.script_load(self.text))

    @staticmethod
    async def _evaluate(
        command: str,
        script: str,
        client: redis.Redis,
        names: Sequence[str],
        arguments: Sequence[Any],
    ) -> Any:
        call = client.execute_command(command, script, len(names), *names, *arguments)
        return await cast(Awaitable[Any], call)


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


async def run(
    wire: Wire,
    script: Script,
    names: Sequence[str],
    arguments: Sequence[Any],
    *more: Command,
    seconds: float | None = None,
) -> list[Any]:
    """The reply of a script, and those of further commands, in one round trip.

    An error of a further command is a reply. Raises LiveStateUnavailable, also where that takes
    longer than `seconds`.
    """
    command = script.command(names, arguments)
    for _ in range(2):
        replies = await wire.call(command, *more, seconds=seconds)
        reply = replies[0]
        if not isinstance(reply, RedisError):
            return replies
        if not isinstance(reply, NoScriptError):
            raise unavailable(reply)
        await wire.call(("SCRIPT", "LOAD", script.text), seconds=seconds)
    raise LiveStateUnavailable("Redis forgets its scripts")


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


def unavailable(error: BaseException) -> LiveStateUnavailable:
    """The error for a Redis that can't be used, with the reason."""
    return LiveStateUnavailable(f"Redis can't be used: {type(error).__name__}: {error}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """What one read found.

    `marker` is empty while Redis is not reconciled; `decided` names the latest decisions, as they
    are kept; `stored` is the answer or claim of a request id; `circles` are the references of the
    customer's account and household, `shared` what was read of those; `remembered` is what was
    offered last, where the features could not be read, and `because` says why.
    """

    marker: str
    version: int
    holds: tuple[Hold, ...]
    consents: Mapping[str, bool]
    contacts: Sequence[Contact]
    journeys: tuple[JourneyState, ...]
    decided: bytes = b""
    circles: Mapping[str, str] = field(default_factory=dict[str, str])
    shared: Circles = NONE
    session: Session | None = None
    reserved: tuple[Reservation, ...] = ()
    stored: bytes | None = None
    remembered: tuple[Remembered, ...] | None = None
    because: tuple[str, ...] = ()

    @property
    def latest(self) -> tuple[str, ...]:
        """The ids of the latest decisions, newest first."""
        return tuple(self.decided.decode().split(",")) if self.decided else ()

    @property
    def seen(self) -> str:
        """The versions of all that was read, for scripts that make sure that it still is so."""
        return self.shared.seen(self.version)

    def snapshot(
        self,
        customer: str,
        row: FeatureRow | None = None,
        volumes: Mapping[str, int] | None = None,
        reserved: tuple[Reservation, ...] | None = None,
    ) -> Snapshot:
        """A snapshot of the live state and the features that were read with it.

        `volumes` is how much of them is used, `reserved` what is kept, unless it is all.
        """
        values, times = ({}, {}) if row is None else (row.values, row.times)
        if not self.marker:
            because = ("the live state is being rebuilt: nothing commercial until it is complete",)
            return _snapshot(
                customer=customer,
                reconciled=False,
                version=self.version,
                features=values,
                feature_times=times,
                because=because,
            )
        return _snapshot(
            customer=customer,
            reconciled=True,
            version=self.version,
            features=values,
            feature_times=times,
            holds=self.holds,
            consents=self.consents,
            contacts=self.contacts,
            circles=self.shared.contacts,
            journeys=self.journeys,
            session=self.session,
            volumes={} if volumes is None else volumes,
            reserved=self.reserved if reserved is None else reserved,
            remembered=self.remembered,
            because=self.because,
        )


_state = maker(LiveState)
_snapshot = maker(Snapshot)


def decode_state(reply: Sequence[Any], found: Sequence[Contact] = ()) -> LiveState:
    """A LiveState from the reply of `read.lua` or a refused `commit.lua`, its contacts decoded."""
    marker, fields, _, stored = reply
    version, decided, session = 0, b"", None
    kinds: dict[bytes, list[tuple[str, bytes]]] = {}
    pairs = iter(fields)
    for name, value in zip(pairs, pairs, strict=True):
        if name == b"v":
            version = int(value)
        elif name == b"d":
            decided = value
        elif name == b"s":
            session = _decode_session(value)
        else:
            kinds.setdefault(name[:2], []).append((name[2:].decode(), value))
    return _state(
        marker=marker.decode() if marker else "",
        version=version,
        holds=_decode_holds(kinds[b"h:"]) if b"h:" in kinds else (),
        consents={name: value[:1] == b"1" for name, value in kinds.get(b"c:", ())},
        contacts=found,
        journeys=_decode_journeys(kinds[b"j:"]) if b"j:" in kinds else (),
        decided=decided,
        circles=_decode_circles(kinds[b"g:"]) if b"g:" in kinds else {},
        session=session,
        reserved=_decode_reservations(kinds[b"r:"]) if b"r:" in kinds else (),
        stored=stored or None,
    )


def _decode_holds(kept: Iterable[tuple[str, bytes]]) -> tuple[Hold, ...]:
    holds = (decode_hold(name, value) for name, value in kept)
    return tuple(sorted(holds, key=lambda hold: (hold.since, hold.id)))


def _decode_journeys(kept: Iterable[tuple[str, bytes]]) -> tuple[JourneyState, ...]:
    journeys = (_decode_journey(name, value) for name, value in kept)
    return tuple(sorted(journeys, key=lambda journey: journey.id))


def _decode_reservations(kept: Iterable[tuple[str, bytes]]) -> tuple[Reservation, ...]:
    reserved = (_decode_reservation(name, value) for name, value in kept)
    return tuple(sorted(reserved, key=lambda one: (one.bucket, one.action)))


def _decode_circles(kept: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Scope to reference; a customer who has left leaves an empty one behind."""
    named = ((scope, value.rsplit(b":", 1)[1].decode()) for scope, value in kept)
    return {scope: circle for scope, circle in named if circle}


def encode_hold(hold: Hold) -> bytes:
    """A hold as it is kept in Redis and in a workflow's memo (without its id)."""
    return orjson.dumps(
        {
            "purposes": hold.purposes,
            "tags": hold.tags,
            "since": milliseconds(hold.since),
            "until": milliseconds(hold.until) if hold.until else None,
            "because": hold.because,
            "owner": hold.owner,
            "seq": hold.seq,
            "state": hold.state,
        }
    )


def decode_hold(hold_id: str, value: bytes) -> Hold:
    """The inverse of `encode_hold`."""
    kept = orjson.loads(value)
    return Hold(
        id=hold_id,
        purposes=tuple(kept["purposes"]),
        tags=tuple(kept["tags"]),
        since=from_milliseconds(kept["since"]),
        until=from_milliseconds(kept["until"]) if kept["until"] is not None else None,
        because=kept["because"],
        owner=kept["owner"],
        seq=kept["seq"],
        state=HoldState(kept["state"]),
    )


def encode_journey(journey: JourneyState) -> bytes:
    """A journey's state as it is kept in Redis (without its id)."""
    kept = {"k": journey.kind, "s": journey.stage, "t": milliseconds(journey.since)}
    before, plan = journey.before, journey.planned
    planned = plan and (milliseconds(plan.at), plan.channel, plan.purpose, plan.value)
    return orjson.dumps({**kept, "b": before, "p": planned})


def _decode_journey(journey_id: str, value: bytes) -> JourneyState:
    kept = orjson.loads(value)
    return JourneyState(
        id=journey_id,
        kind=kept["k"],
        stage=kept["s"],
        since=from_milliseconds(kept["t"]),
        before=kept.get("b", ""),  # older entries have neither
        planned=_decode_planned(plan) if (plan := kept.get("p")) else None,
    )


def _decode_planned(kept: Sequence[Any]) -> Planned:
    at, channel, purpose, value = kept
    return Planned(at=from_milliseconds(at), channel=channel, purpose=purpose, value=value)


def encode_session(session: Session) -> bytes:
    """A session as it is kept in Redis."""
    times = {"t": milliseconds(session.started), "l": milliseconds(session.last)}
    return orjson.dumps({**times, "c": session.channel, "x": dict(session.context)})


def _decode_session(value: bytes) -> Session:
    kept = orjson.loads(value)
    return Session(
        started=from_milliseconds(kept["t"]),
        last=from_milliseconds(kept["l"]),
        channel=kept["c"],
        context=kept["x"],
    )


def _decode_reservation(name: str, value: bytes) -> Reservation:
    bucket, _, action = name.rpartition("|")
    until = None if value == b"inf" else from_milliseconds(float(value))
    return Reservation(bucket=bucket, action=action, until=until)


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
