"""The contacts of accounts and households: all members' together, read where the bundle asks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import redis.asyncio as redis

from engine.catalog import Bundle, ContactLimit, ContactPolicy, Scope
from engine.ledger import live
from engine.types import Contact

SHARED = (Scope.ACCOUNT, Scope.HOUSEHOLD)
"""The scopes that are circles, in the order of their versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circles:
    """What one read found of a customer's circles: contacts and version of each, by scope."""

    contacts: Mapping[str, tuple[Contact, ...]] = field(
        default_factory=dict[str, tuple[Contact, ...]]
    )
    read: Mapping[str, int] = field(default_factory=dict[str, int])

    def seen(self, version: int) -> str:
        """The customer's version and those of the circles, as `circles.lua` compares them.

        >>> Circles(read={"household": 7}).seen(12)
        '12::7'
        """
        return ":".join((str(version), *(str(self.read.get(scope, "")) for scope in SHARED)))


NONE = Circles()


def scopes(bundle: Bundle) -> frozenset[str]:
    """The shared scopes that a bundle's limits and policies count in."""
    return scopes_of((*bundle.limits, *bundle.policies))


def scopes_of(terms: Collection[ContactLimit | ContactPolicy]) -> frozenset[str]:
    """The shared scopes that some limits and policies count in."""
    return frozenset(term.scope.value for term in terms if term.scope is not Scope.CUSTOMER)


async def circle_contacts(
    client: redis.Redis, circles: Mapping[str, str], wanted: Collection[str], since: datetime
) -> Circles:
    """The wanted of a customer's circles, given as scope to reference. Raises LiveStateUnavailable.

    Nothing is asked of Redis where the customer is in none of them.
    """
    asked = {scope: circle for scope, circle in circles.items() if scope in wanted}
    if not asked:
        return NONE
    found = await asyncio.gather(*(live.read_state(client, one, since) for one in asked.values()))
    states = dict(zip(asked, found, strict=True))
    return Circles(
        contacts={scope: state.contacts for scope, state in states.items()},
        read={scope: state.version for scope, state in states.items()},
    )
