"""What the tests of the journal share: a transaction on an empty one."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from engine.ledger import tables


@pytest.fixture
def connection(tmp_path: Path) -> Generator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    tables.metadata.create_all(engine)
    with engine.begin() as opened:
        yield opened
    engine.dispose()
