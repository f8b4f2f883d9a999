"""Who is in which account and household: in the journal append-only, the latest of each counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from engine.catalog import Scope
from engine.ledger import keys, live, tables
from engine.ledger.clock import milliseconds
from engine.ledger.references import reference

if TYPE_CHECKING:
    from engine.ledger.ledger import Ledger

_BATCH = 1_000
NOBODY = ""
"""Stands for the circle of a customer who left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A customer is in a circle, the opaque reference of an account or household, or in none.

    `external_id` is the circle's name outside; `seq` the journal position.
    """

    customer: str
    scope: Scope
    circle: str
    external_id: str
    seq: int = 0

    def kept(self) -> str:
        """The circle as it stands in the live hash: with the hash tag of its keys."""
        return f"{keys.tag(self.circle)}:{self.circle}" if self.circle else ":"


def circle_reference(key: bytes, scope: Scope, external_id: str) -> str:
    """The opaque reference of an account or household: no customer and no alias has the same."""
    return reference(key, external_id, f"circle\x00{scope.value}")


class Memberships:
    """Puts customers into accounts and households, in the journal and then in force."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def join(self, customer: str, scope: Scope, external_id: str) -> str:
        """Puts a customer into an account or household, out of an earlier one; its reference."""
        await self.join_all([(customer, scope, external_id)])
        return circle_reference(self._ledger.site.key, scope, external_id)

    async def join_all(self, given: Sequence[tuple[str, Scope, str]]) -> None:
        """Puts many customers into circles, given as (customer, scope, external id)."""
        found = [
            Membership(
                customer=customer,
                scope=scope,
                circle=circle_reference(self._ledger.site.key, scope, external_id),
                external_id=external_id,
            )
            for customer, scope, external_id in given
        ]
        for start in range(0, len(found), _BATCH):
            await self._keep(found[start : start + _BATCH])

    async def leave(self, customer: str, scope: Scope) -> None:
        """Takes a customer out of the account or household, with all contacts."""
        left = Membership(customer=customer, scope=scope, circle=NOBODY, external_id="")
        await self._keep([left])

    async def of(self, customer: str) -> dict[Scope, str]:
        """The external ids of the account and the household that a customer is in."""
        found = await self._ledger.journal.read(lambda c: latest_memberships(c, [customer]))
        return {one.scope: one.external_id for one in found if one.circle != NOBODY}

    async def enforce(self, kept: Sequence[Membership]) -> None:
        """Puts journalled memberships in force in Redis; an older one changes nothing."""
        calls = [
            (
                [keys.live(one.customer), keys.contacts(one.customer)],
                [one.scope.value, one.seq, one.kept()],
            )
            for one in kept
        ]
        await live.JOIN.many(self._ledger.redis, calls)

    async def _keep(self, given: Sequence[Membership]) -> None:
        at = milliseconds(self._ledger.clock.now())
        await self.enforce(
            await self._ledger.journal.write(lambda c: keep_memberships(c, given, at))
        )


def keep_memberships(
    connection: Connection, given: Sequence[Membership], at: int
) -> list[Membership]:
    """Writes what is new, at a time in milliseconds; gives all of them with their positions."""
    return [_keep(connection, one, at) for one in given]


def latest_memberships(connection: Connection, customers: Iterable[str]) -> list[Membership]:
    """The latest memberships of some customers, those that ended too."""
    table = tables.memberships
    latest = (
        select(func.max(table.c.seq))
        .where(table.c.customer.in_(list(customers)))
        .group_by(table.c.customer, table.c.scope)
    )
    rows = connection.execute(select(table).where(table.c.seq.in_(latest)).order_by(table.c.seq))
    return [_membership(row) for row in rows]


def all_circles(connection: Connection) -> set[str]:
    """Every circle that anybody was ever in."""
    found = connection.execute(select(tables.memberships.c.circle).distinct()).scalars()
    return set(found) - {NOBODY}


def _keep(connection: Connection, one: Membership, at: int) -> Membership:
    table = tables.memberships
    query = select(table).filter_by(customer=one.customer, scope=one.scope.value)
    before = connection.execute(query.order_by(table.c.seq.desc()).limit(1)).first()
    if before is not None and before.circle == one.circle:
        return _membership(before)
    row = {
        "customer": one.customer,
        "scope": one.scope.value,
        "circle": one.circle,
        "external_id": one.external_id,
        "since": at,
    }
    connection.execute(table.insert().values(**row))
    return _membership(connection.execute(query.order_by(table.c.seq.desc()).limit(1)).one())


def _membership(row: Row[Any]) -> Membership:
    return Membership(
        customer=row.customer,
        scope=Scope(row.scope),
        circle=row.circle,
        external_id=row.external_id,
        seq=row.seq,
    )
