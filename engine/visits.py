"""What is remembered of a visit or call, for the next question of it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.catalog import Bundle
from engine.types import Request, Scalar, Session

LONGEST_TEXT = 200
"""Longer texts are not remembered: every question of the session reads them."""


def remembered(bundle: Bundle) -> bool:
    """Whether the bundle has any use for sessions."""
    terms = bundle.session
    return bool(terms.remembers or terms.silenced_by) or terms.most_shown is not None


def after(request: Request, session: Session | None, bundle: Bundle) -> Session:
    """The session once a question was asked in it: the one that went on, or a new one.

    What this question says of the context replaces what earlier ones said; what it leaves out
    stays.
    """
    said = dict(_said(request, bundle))
    if session is None or request.now - session.last >= bundle.session.idle:
        return Session(started=request.now, last=request.now, channel=request.channel, context=said)
    return Session(
        started=session.started,
        last=max(session.last, request.now),
        channel=request.channel,
        context={**_still_remembered(session, bundle), **said},
    )


def _said(request: Request, bundle: Bundle) -> Iterator[tuple[str, Scalar]]:
    for name in sorted(bundle.session.remembers & request.context.keys()):
        value = request.context[name]
        short = not isinstance(value, str) or len(value) <= LONGEST_TEXT
        if value is None or (isinstance(value, str | int | float | bool) and short):
            yield name, value


def _still_remembered(session: Session, bundle: Bundle) -> dict[str, Scalar]:
    return {name: v for name, v in session.context.items() if name in bundle.session.remembers}
