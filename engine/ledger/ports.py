"""What the ledger needs of the feature store: one command, and its reply decoded."""

from __future__ import annotations

from typing import Protocol

from engine.ledger.wire import Command
from engine.types import FeatureRow


class FeatureReader(Protocol):
    """Reads a customer's row with one Redis command; a hash may come back as a list."""

    def command(self, customer: str) -> Command:
        """The command."""
        ...

    def decode(self, reply: object) -> FeatureRow:
        """Its reply as features."""
        ...
