"""What a bundle means on one channel, worked out once: treatments, consent, limits, levers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine import contact
from engine.catalog import Action, Bundle, ContactLimit, Treatment

_MOST = 64


@dataclass(frozen=True, slots=True)
class Place:
    """One action on one channel: its own treatments, and those of the channel it is like.

    `consent` is its key in a snapshot and `consent_default` what holds where nothing is recorded;
    `limits` are those that apply; `targets` the context weights it listens to; `lever` is L.
    """

    action: Action
    own: tuple[Treatment, ...]
    like: tuple[Treatment, ...]
    consent: str
    consent_default: bool
    limits: tuple[ContactLimit, ...]
    targets: tuple[str, str, str]
    lever: float
    chosen: dict[tuple[str, str | None], Treatment | None]

    def treatment(self, placement: str, tone: str | None) -> Treatment | None:
        """How the action is said there: made for the placement before general, in the asked tone.

        None where it has no treatment for this channel and placement.
        """
        key = (placement, tone)
        if key not in self.chosen:
            if len(self.chosen) >= _MOST:
                self.chosen.clear()
            self.chosen[key] = self._best(self.own, *key) or self._best(self.like, *key)
        return self.chosen[key]

    @staticmethod
    def _best(
        treatments: tuple[Treatment, ...], placement: str, tone: str | None
    ) -> Treatment | None:
        fits = [t for t in treatments if t.placement in (None, placement)]
        return min(fits, key=lambda t: (t.tone != tone, t.placement is None, t.id), default=None)


_shelves: dict[tuple[int, str], tuple[Bundle, Mapping[str, Place]]] = {}


def shelf(bundle: Bundle, channel: str) -> Mapping[str, Place]:
    """The actions of a bundle by name, as they are on a channel.

    Kept for the bundles in use: it is a function of its arguments, remembered.
    """
    key = (id(bundle), channel)
    kept = _shelves.get(key)
    if kept is None or kept[0] is not bundle:
        if len(_shelves) >= _MOST:
            _shelves.clear()
        places = {name: _place(bundle, action, channel) for name, action in bundle.actions.items()}
        kept = _shelves[key] = (bundle, places)
    return kept[1]


def _place(bundle: Bundle, action: Action, channel: str) -> Place:
    purpose = bundle.purposes[action.purpose]
    percent = purpose.lever + bundle.groups.get(action.group, 0.0) + action.lever
    return Place(
        action=action,
        own=_treatments(action, channel),
        like=_treatments(action, bundle.channels[channel].like),
        consent=f"{action.purpose}:{channel}",
        consent_default=contact.consent_default(bundle, action, channel),
        limits=contact.limits(bundle, action, channel),
        targets=(
            f"purpose:{action.purpose}",
            f"group:{action.group}",
            f"action:{action.name}",
        ),
        lever=max(0.0, 1 + percent / 100),
        chosen={},
    )


def _treatments(action: Action, channel: str | None) -> tuple[Treatment, ...]:
    return tuple(t for t in action.treatments if t.channel == channel)
