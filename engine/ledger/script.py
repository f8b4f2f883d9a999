"""Lua scripts of `scripts/`, called by their hash in one round trip."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, cast

import redis.asyncio as redis
from redis.exceptions import NoScriptError, RedisError

from engine.errors import LiveStateUnavailable
from engine.ledger.wire import Command, Wire

_PIPELINED = 1_000


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


def unavailable(error: BaseException) -> LiveStateUnavailable:
    """The error for a Redis that can't be used, with the reason."""
    return LiveStateUnavailable(f"Redis can't be used: {type(error).__name__}: {error}")
