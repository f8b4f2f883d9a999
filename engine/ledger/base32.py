"""Crockford's base 32: whole numbers as text that sorts as they do."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
"""Two digits for each number of ten bits."""
_PAIR_BITS = 10


def encode(number: int, length: int) -> str:
    """The last `length` digits of a number.

    >>> encode(1_000, 3)
    '0Z8'
    """
    digits: list[str] = []
    for _ in range((length + 1) // 2):
        digits.append(PAIRS[number & 1023])
        number >>= _PAIR_BITS
    digits.reverse()
    return "".join(digits)[-length:]


def decode(text: str) -> int:
    """The inverse of `encode`.

    >>> decode("0Z8")
    1000
    """
    number = 0
    for character in text:
        number = number * 32 + ALPHABET.index(character)
    return number
