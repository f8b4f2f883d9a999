"""Crockford's base 32: whole numbers as text that sorts as they do."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def encode(number: int, length: int) -> str:
    """The last `length` digits of a number.

    >>> encode(1_000, 3)
    '0Z8'
    """
    return "".join(ALPHABET[number >> 5 * place & 31] for place in range(length - 1, -1, -1))


def decode(text: str) -> int:
    """The inverse of `encode`.

    >>> decode("0Z8")
    1000
    """
    number = 0
    for character in text:
        number = number * 32 + ALPHABET.index(character)
    return number
