"""/healthz and /readyz: whether the process lives, and whether it can do its work.

Not ready: the journal is missing (nothing could be accepted) or Redis (nothing could be read or
committed), or the live state was not reconciled once since the process started. Degraded only:
Temporal is away (events answer `"routing": "pending"`, holds act all the same), the live state is
being restored (decisions are careful meanwhile), or the files of the bundle are broken (the last
good one stays in force). Taking the API out of service would help nobody then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel

CHECK_SECONDS = 1.0

Check = Callable[[], Awaitable[str | None]]
"""Answers what is wrong, in words; None when nothing is."""


class HealthReply(BaseModel):
    """The process is alive."""

    status: str


class ReadyReply(BaseModel):
    """Whether to send requests here, what is missing, and what works with less."""

    ready: bool
    missing: list[str]
    degraded: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What is asked at /readyz, by name."""

    required: Mapping[str, Check] = field(default_factory=dict[str, Check])
    desired: Mapping[str, Check] = field(default_factory=dict[str, Check])

    async def alive(self) -> HealthReply:
        """Whether the process answers at all; it looks at nothing else."""
        return HealthReply(status="alive")

    async def ready(self) -> Response:
        """Whether this process can do its work now: 503 with reasons if not."""
        missing, degraded = await asyncio.gather(ask_all(self.required), ask_all(self.desired))
        told = {"ready": not missing, "missing": missing, "degraded": degraded}
        return Response(orjson.dumps(told), 503 if missing else 200, media_type="application/json")

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["operation"])
        router.add_api_route("/healthz", self.alive)
        answers = {status: {"model": ReadyReply} for status in (200, 503)}
        router.add_api_route("/readyz", self.ready, responses={**answers})
        return router


async def ask_all(checks: Mapping[str, Check]) -> list[str]:
    """The reasons of all checks that found something, each with its name."""
    reasons = await asyncio.gather(*map(_ask, checks.values()))
    return [f"{name}: {reason}" for name, reason in zip(checks, reasons, strict=True) if reason]


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Exception as error:  # whatever it is, it is the reason
        return f"{type(error).__name__}: {error}"
