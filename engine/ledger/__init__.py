"""The journal, its index in Redis, and the atomic guards."""

from engine.ledger.ledger import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
