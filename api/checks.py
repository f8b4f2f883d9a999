"""What /readyz asks of a real stack: journal, Redis, Temporal, bundle, reconciled marker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from temporalio.service import RPCError

from api.readiness import CHECK_SECONDS, Readiness
from engine.errors import TactfulError
from engine.ledger import Ledger
from workflows.parts import Parts
from workflows.rebuild import reconciled

TEMPORAL_AWAY = "can't be reached: events are accepted and reach their journeys later"
NOT_RECONCILED = "being restored: decisions offer nothing commercial meanwhile"


def readiness(parts: Parts) -> Readiness:
    """Readiness of one process.

    The reconciled marker must have been seen once: a process that starts while the live state is
    being restored takes no requests yet, one that is at work goes on carefully.
    """
    checks = StackChecks(parts)
    marker = SeenOnce(parts.ledger)
    return Readiness(
        required={"journal": checks.journal, "redis": checks.redis, "live state": marker.first},
        desired={
            "temporal": checks.temporal,
            "bundle": checks.bundle,
            "live state": marker.since,
        },
    )


@dataclass(frozen=True, slots=True)
class StackChecks:
    """The checks of the parts, each answering what is wrong, or None."""

    parts: Parts

    async def journal(self) -> str | None:
        """Whether the journal answers."""
        try:
            await self.parts.ledger.journal.read(
                lambda each: each.execute(text("select 1")).scalar()
            )
        except TactfulError as error:
            return str(error)
        return None

    async def redis(self) -> str | None:
        """Whether Redis answers, whatever it says."""
        try:
            await reconciled(self.parts.ledger)
        except TactfulError as error:
            return str(error)
        return None

    async def temporal(self) -> str | None:
        """Whether Temporal can be reached."""
        try:
            service = self.parts.client.service_client
            await service.check_health(timeout=timedelta(seconds=CHECK_SECONDS))
        except (RPCError, RuntimeError):
            return TEMPORAL_AWAY
        return None

    async def bundle(self) -> str | None:
        """Whether the files of the bundle are the bundle in force."""
        problems = self.parts.bundle.problems
        if not problems:
            return None
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        return f"the last good one stays in force: {problems[0]}{more}"


@dataclass(slots=True)
class SeenOnce:
    """Whether the live state is reconciled, and was since this process started."""

    ledger: Ledger
    seen: bool = False

    async def first(self) -> str | None:
        """What is missing before the first time; nothing after it."""
        self.seen = self.seen or await self.now()
        return None if self.seen else NOT_RECONCILED

    async def since(self) -> str | None:
        """What is missing now, after the first time."""
        return NOT_RECONCILED if self.seen and not await self.now() else None

    async def now(self) -> bool:
        """Whether it is reconciled; a Redis that is away has its own line."""
        try:
            return await reconciled(self.ledger)
        except TactfulError:
            return False
