"""What is known of a customer's account and household: the contacts of all members together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.catalog import Bundle, ContactLimit, ContactPolicy, Scope
from engine.types import Contact

SHARED = (Scope.ACCOUNT, Scope.HOUSEHOLD)
"""The scopes that are circles, in the order of their versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circles:
    """What was read of a customer's circles, by scope: the contacts and the version of each."""

    contacts: Mapping[str, Sequence[Contact]] = field(default_factory=dict[str, Sequence[Contact]])
    read: Mapping[str, int] = field(default_factory=dict[str, int])

    def seen(self, version: int) -> str:
        """The customer's version and those of the circles, as `circles.lua` compares them.

        >>> NONE.seen(12), Circles(read={"household": 7}).seen(12)
        ('12', '12::7')
        """
        if not self.read:
            return str(version)
        return ":".join((str(version), *(str(self.read.get(scope, "")) for scope in SHARED)))


NONE = Circles()


def scopes(bundle: Bundle) -> frozenset[str]:
    """The shared scopes that a bundle's limits and policies count in."""
    return scopes_of((*bundle.limits, *bundle.policies))


def scopes_of(terms: Collection[ContactLimit | ContactPolicy]) -> frozenset[str]:
    """The shared scopes that some limits and policies count in."""
    return frozenset(term.scope.value for term in terms if term.scope is not Scope.CUSTOMER)
