"""External ids and aliases of customers, and the references that stand for them inside."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from engine.errors import InvalidInput
from engine.ledger import tables
from engine.ledger.journal import Journal, insert_new
from engine.ledger.references import reference

Name = str | tuple[str, str]
_CACHED = 100_000
_BATCH = 500
_UNCERTAIN_SECONDS = 1.0
"""How long a name that nobody has registered is taken as it is, before another look."""


class Customers:
    """Resolves what callers call a customer, and shows a reference as the outside knows it."""

    def __init__(self, journal: Journal, key: bytes) -> None:
        self._journal = journal
        self._key = key
        self._resolved: dict[Name, tuple[str, float]] = {}
        self._external: dict[str, str] = {}
        self._written: set[str] = set()
        self._aliases = _Aliases(journal)

    async def resolve(self, name: Name) -> str:
        """The reference of an external id, or of an alias given as (type, id).

        Unknown names get one as well. A plain name that is not a known external id may be a known
        alias of any type.
        """
        if not isinstance(name, str) and name[0] == "id":
            name = name[1]
        found = self._resolved.get(name)
        if found is None or found[1] < time.monotonic():
            if isinstance(name, str) and not await self._aliases.any_known():
                return reference(self._key, name)  # it can't be the alias of anybody
            customer, certain = await self._journal.read(
                lambda connection: self._look_up(connection, name)
            )
            found = (customer, math.inf if certain else time.monotonic() + _UNCERTAIN_SECONDS)
            if len(self._resolved) >= _CACHED:
                self._resolved.clear()
            self._resolved[name] = found
        return found[0]

    async def remember(self, external_id: str) -> str:
        """Makes an external id showable again, and returns its reference."""
        customer = await self.resolve(external_id)
        if customer != reference(self._key, external_id) or customer in self._written:
            return customer
        if not await self.known(customer):  # a look costs less than a commit
            await self._journal.write(lambda connection: keep(connection, self._key, [external_id]))
            self._note(customer, external_id)
        return customer

    async def remember_all(
        self, external_ids: Iterable[str], aliases: Iterable[tuple[str, str, str]] = ()
    ) -> None:
        """Keeps many external ids, and aliases as (external id, type, alias)."""
        waiting = list(external_ids)
        for start in range(0, len(waiting), _BATCH):
            batch = waiting[start : start + _BATCH]
            await self._journal.write(
                lambda connection, batch=batch: keep(connection, self._key, batch)
            )
        named = list(aliases)
        for start in range(0, len(named), _BATCH):
            some = named[start : start + _BATCH]
            await self._journal.write(
                lambda connection, some=some: _keep_aliases(connection, self._key, some)
            )
        self._aliases.forget()

    async def external(self, customers: Sequence[str]) -> dict[str, str]:
        """The external ids of references; one that was never named keeps its reference."""
        shown = {customer: self._external.get(customer, "") for customer in customers}
        missing = [customer for customer, external_id in shown.items() if not external_id]
        if missing:
            found = await self._journal.read(lambda connection: _external_ids(connection, missing))
            for customer in missing:
                shown[customer] = found.get(customer, customer)
            for customer, external_id in found.items():
                self._note(customer, external_id)
        return shown

    async def known(self, customer: str) -> bool:
        """Whether this customer was ever named to Tactful."""
        shown = await self.external([customer])
        return shown[customer] != customer

    def _look_up(self, connection: Connection, name: Name) -> tuple[str, bool]:
        """The reference, and whether it can never become another one: names never move."""
        if isinstance(name, str):
            direct = reference(self._key, name)
            if _external_ids(connection, [direct]):
                return direct, True
        kind, alias = ("any", name) if isinstance(name, str) else name
        hashed = reference(self._key, alias, kind)
        found = connection.execute(
            select(tables.aliases.c.customer).where(tables.aliases.c.alias == hashed)
        ).scalar()
        if found is not None:
            return str(found), True
        return reference(self._key, alias) if isinstance(name, str) else hashed, False

    def _note(self, customer: str, external_id: str) -> None:
        if len(self._external) >= _CACHED:
            self._external.clear()
            self._written.clear()
        self._external[customer] = external_id
        self._written.add(customer)


class _Aliases:
    """Whether there are aliases at all, looked up a while before it could be too old to go by."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known = True
        self._looked = -math.inf
        self._looking: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Aliases were written: look again."""
        self._looked = -math.inf

    async def any_known(self) -> bool:
        """Whether there were any within the last `_UNCERTAIN_SECONDS`."""
        age = time.monotonic() - self._looked
        if 2 * age >= _UNCERTAIN_SECONDS and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(_seen)
        if age >= _UNCERTAIN_SECONDS and self._looking is not None:
            await asyncio.shield(self._looking)
        return self._known

    async def _look(self) -> None:
        now = time.monotonic()
        self._known = await self._journal.read(_has_aliases)
        self._looked = now


def _seen(task: asyncio.Task[None]) -> None:
    """A look that failed while nobody waited for it is tried again by who comes next."""
    if not task.cancelled():
        task.exception()


def keep(connection: Connection, key: bytes, external_ids: Iterable[str]) -> None:
    """Writes external ids that are new."""
    for external_id in external_ids:
        row = {"customer": reference(key, external_id), "external_id": external_id}
        insert_new(connection, tables.customers, row)


def _has_aliases(connection: Connection) -> bool:
    return connection.execute(select(tables.aliases.c.alias).limit(1)).first() is not None


def _keep_aliases(
    connection: Connection, key: bytes, aliases: Iterable[tuple[str, str, str]]
) -> None:
    for external_id, kind, alias in aliases:
        if not kind or kind in ("id", "any"):
            raise InvalidInput(
                f"{kind!r} can't be the type of an alias: use a word such as email or phone"
            )
        customer = reference(key, external_id)
        for scope in (kind, "any"):
            row = {"alias": reference(key, alias, scope), "customer": customer}
            insert_new(connection, tables.aliases, row)


def _external_ids(connection: Connection, customers: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(customers), _BATCH):
        batch = customers[start : start + _BATCH]
        rows = connection.execute(
            select(tables.customers.c.customer, tables.customers.c.external_id).where(
                tables.customers.c.customer.in_(batch)
            )
        )
        found.update((str(customer), str(external_id)) for customer, external_id in rows)
    return found
