"""The one name of a customer inside: a keyed hash of the external id, which tells nobody who."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

PREFIX = "c"


def reference(key: bytes, external_id: str, kind: str = "id") -> str:
    """The opaque reference of an external id: `c` and 128 bits of HMAC-SHA256 in base 32.

    >>> reference(b"k" * 32, "7590-VHVEG") == reference(b"k" * 32, "7590-VHVEG")
    True
    >>> len(reference(b"k" * 32, "7590-VHVEG"))
    27
    """
    digest = hmac.digest(key, f"{kind}\x00{external_id}".encode(), hashlib.sha256)[:16]
    return PREFIX + base64.b32encode(digest).decode().rstrip("=").lower()


def open_key(data_dir: Path) -> bytes:
    """The key of the references: 32 bytes, made at first use, readable by its owner only."""
    path = data_dir / "customer.key"
    if not path.exists():
        temporary = path.with_suffix(f".{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(temporary, path)  # the first of several processes wins
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_bytes()
