"""What was last watched of the acceptance model: kept beside it, for metrics."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any, cast

import orjson

from engine.ledger.site import Site
from models.inputs import ACCEPTANCE
from models.registry import folder

_FILE = "watched.json"


def keep(site: Site, found: Mapping[str, Any]) -> None:
    """Keeps what was found."""
    place = folder(site, ACCEPTANCE)
    temporary = place / f".{secrets.token_hex(6)}"
    temporary.write_bytes(orjson.dumps(found))
    os.replace(temporary, place / _FILE)


def kept(site: Site) -> Mapping[str, Any] | None:
    """What was found last; None where nobody has looked yet, or somebody damaged it."""
    try:
        found = orjson.loads((folder(site, ACCEPTANCE) / _FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None
