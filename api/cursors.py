"""Cursors of lists: where the next page begins, sealed to the question that it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib

from api.errors import InvalidField

SEAL_BYTES = 8


def write_cursor(question: str, token: bytes) -> str | None:
    """The cursor of the page that a token leads to, sealed to its question; None for no token."""
    return base64.urlsafe_b64encode(_seal(question, token) + token).decode() if token else None


def read_cursor(question: str, cursor: str | None) -> bytes:
    """The page token of a cursor; Temporal fails on strange ones. Raises InvalidField.

    >>> read_cursor("open", write_cursor("open", b"next"))
    b'next'
    """
    if cursor is None:
        return b""
    try:
        sealed = base64.b64decode(cursor.encode("ascii"), b"-_", validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    token = sealed[SEAL_BYTES:]
    if not token or sealed[:SEAL_BYTES] != _seal(question, token):
        raise InvalidField("cursor is not one that this list gave for the same question.")
    return token


def _seal(question: str, token: bytes) -> bytes:
    return hashlib.sha256(question.encode() + b"\0" + token).digest()[:SEAL_BYTES]
