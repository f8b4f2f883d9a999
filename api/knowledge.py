"""What is known of a customer now: live state and features, read for people, not for speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.ledger import Ledger
from engine.types import Snapshot
from feature_store.online import FeatureRow, OnlineReader


@dataclass(frozen=True, slots=True)
class LedgerKnowledge:
    """The ledger and the online store, as the customer routes ask them."""

    ledger: Ledger
    reader: OnlineReader = field(default_factory=OnlineReader)

    async def view(self, customer: str) -> tuple[Snapshot, Sequence[str]]:
        """The snapshot and the latest decisions of a customer. Raises LiveStateUnavailable."""
        state = await self.ledger.state(customer)
        row = await self.features(customer)
        snapshot = state.snapshot(customer)
        return replace(snapshot, features=row.values, feature_times=row.times), state.latest

    async def features(self, customer: str) -> FeatureRow:
        """The features of a customer. Raises LiveStateUnavailable."""
        (reply,) = await self.ledger.wire.call(self.reader.command(customer))
        return self.reader.decode(reply)

    async def inbox(self, customer: str) -> Sequence[Mapping[str, Any]]:
        """The messages kept for display, latest first."""
        return await self.ledger.inbox(customer)
