"""Where the parts of a stack are: addresses, folders, secrets. Made by api/settings.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from engine.ledger.clock import Clock
from engine.record import seal_key

BUNDLES = Path(__file__).parent.parent / "bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files for an encrypted connection: whom to trust, and who we are. None: the system's own."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One stack; all that it keeps is below `data_dir`."""

    data_dir: Path
    key: bytes = field(repr=False)
    clock: Clock
    redis_url: str = "redis://127.0.0.1:6399/0"
    journal_url: str = ""
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_ui: str = "http://127.0.0.1:8233"
    task_queue: str = "tactful"
    worker_deployment: str = "tactful"
    worker_build: str = ""
    bundle: Path = BUNDLES / "telco"
    webhook_url: str | None = None
    webhook_secret: str = field(default="", repr=False)
    temporal_tls: Tls | None = None
    temporal_api_key: str = field(default="", repr=False)
    log_days: int = 0
    """So many days of decisions and outcomes are kept; 0: all."""
    training_hours: int = 0
    """From one training of the models to the next; 0: only by hand."""

    @property
    def seal_key(self) -> bytes:
        """The key by which records of decisions are sealed."""
        return seal_key(self.key)

    @property
    def archive(self) -> Path:
        """The folder of the decisions that have left Redis."""
        return self.data_dir / "archive"

    @property
    def oldest_day(self) -> date:
        """The first day that the log keeps, by the stack's clock."""
        today = self.clock.now().date()
        return today - timedelta(days=self.log_days) if self.log_days else date.min

    @property
    def journal(self) -> str:
        """The SQLAlchemy address of the journal: SQLite in the data directory unless set."""
        return self.journal_url or f"sqlite:///{self.data_dir / 'journal.sqlite'}"
