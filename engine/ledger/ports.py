"""What the ledger needs of the feature store: one command in a pipeline, and its reply decoded."""

from __future__ import annotations

from typing import Protocol

from redis.asyncio.client import Pipeline

from engine.types import FeatureRow


class FeatureReader(Protocol):
    """Reads a customer's row with one Redis command."""

    def queue(self, pipe: Pipeline, customer: str) -> None:
        """Appends the command."""
        ...

    def decode(self, reply: object) -> FeatureRow:
        """Its reply as features."""
        ...
