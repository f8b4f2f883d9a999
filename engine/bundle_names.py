"""Whether the names that a bundle looks up exist: features, segments, values, journeys, history."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from engine.bundle_business import Business
from engine.catalog import Bundle
from engine.entries import nearest
from engine.expressions import SEGMENT, VALUE, tangles
from engine.fields import Fields, Use
from engine.history import ROOT as HISTORY
from engine.history import Asked, asked, subject
from engine.names import JOURNEY_PARTS, REQUEST_PARTS, ROOTS

_FIXED = {"request": REQUEST_PARTS}
_OWN = {SEGMENT: "segments", VALUE: "values"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The names that may be looked up. None: any.

    `features` are `view.feature`, `pushed` the views that events change: these need a maximum age.
    `formulas` are the segments and values, `journeys` the kinds that the bundle lists, if any.
    """

    features: Collection[str] | None
    pushed: Collection[str]
    formulas: Mapping[str, Collection[str]]
    journeys: Collection[str] | None
    max_ages: Mapping[str, timedelta]


def _known(bundle: Bundle, features: Collection[str] | None, pushed: Collection[str]) -> _Known:
    """The names of a bundle, and of the feature store that it is for."""
    return _Known(
        features=features,
        pushed=pushed,
        formulas={SEGMENT: bundle.segments, VALUE: bundle.values},
        journeys=bundle.journeys or None,
        max_ages=bundle.max_ages,
    )


def check_names(
    bundle: Bundle,
    business: Business,
    features: Collection[str] | None = None,
    pushed: Collection[str] = (),
) -> None:
    """Notes every name that does not exist at the place that looks it up.

    `features`: those of the feature store, if they are known; `pushed`: the views that events
    change.
    """
    known = _known(bundle, features, pushed)
    for use in business.uses:
        for name in sorted(use.names):
            for problem in _problems(use, name, known, business):
                business.problems.note(use.place, problem)
    for name, problem in tangles(bundle.segments, bundle.values).items():
        root, _, rest = name.partition(".")
        business.read[_OWN[root]].note(rest, problem)
    if known.features is not None and known.max_ages:
        _check_max_ages(business.read["max_ages"], known.features, known.max_ages)


def _check_max_ages(fields: Fields, features: Collection[str], max_ages: Collection[str]) -> None:
    views = {name.split(".")[0] for name in features}
    for name in max_ages:
        if "." in name and name not in features:
            fields.note(name, f"there is no feature {name!r}{nearest(name, features)}")
        elif "." not in name and name not in views:
            fields.note(name, f"there is no feature view {name!r}{nearest(name, views)}")


def _problems(use: Use, name: str, known: _Known, business: Business) -> Iterator[str]:
    root, *rest = name.split(".")
    parts = _FIXED.get(root)
    if root == HISTORY:
        question = asked(name)
        yield from _history(use, question, business) if question else ()
    elif root in _OWN:
        yield from _formula(use, root, rest, known)
    elif root == "journey":
        yield from _journey(use, name, rest, known)
    elif len(rest) != 1:
        yield f"{name}: write {_form(root)}"
    elif parts is not None and rest[0] not in parts:
        yield f"{use.where} uses an unknown {root} {rest[0]!r}{nearest(rest[0], parts)}"
    elif root == "age":
        yield from _age(use, rest[0], known)
    elif root not in ROOTS:
        yield from _feature(use, name, root, known)


def _form(root: str) -> str:
    return f"{root}.<name>" if root in ROOTS else "a feature as view and name: contract.type"


def _age(use: Use, view: str, known: _Known) -> Iterator[str]:
    views = {name.split(".")[0] for name in known.features or ()}
    if known.features is not None and view not in views:
        yield f"{use.where} asks for the age of an unknown view {view!r}{nearest(view, views)}"


def _feature(use: Use, name: str, view: str, known: _Known) -> Iterator[str]:
    if known.features is not None and name not in known.features:
        hint = nearest(name, known.features) or f"; the known ones start with {_views(known)}"
        yield f"{use.where} uses an unknown feature {name!r}{hint}"
    elif view in known.pushed and not {view, name} & known.max_ages.keys():
        why = f"uses {name}, which events change; say how old it may be"
        yield f"{use.where} {why}: write {view} in max_ages, such as {view}: 30 days"


def _views(known: _Known) -> str:
    features = known.features or ()
    return ", ".join(sorted({name.split(".")[0] for name in features} | set(ROOTS)))


def _formula(use: Use, root: str, rest: list[str], known: _Known) -> Iterator[str]:
    names = known.formulas[root]
    if len(rest) != 1:
        yield f"{'.'.join((root, *rest))}: write {root}.<name>"
    elif rest[0] not in names:
        hint = nearest(rest[0], names) or f"; write it in {_OWN[root]}"
        yield f"{use.where} uses an unknown {root} {rest[0]!r}{hint}"


def _journey(use: Use, name: str, rest: list[str], known: _Known) -> Iterator[str]:
    if len(rest) not in (1, 2) or (len(rest) == 2 and rest[1] not in JOURNEY_PARTS):
        parts = " or ".join(("journey.<kind>", *(f"journey.<kind>.{one}" for one in JOURNEY_PARTS)))
        yield f"{name}: write {parts}"
    elif known.journeys is not None and rest[0] not in known.journeys:
        hint = nearest(rest[0], known.journeys) or "; write it in journeys"
        yield f"{use.where} uses an unknown journey {rest[0]!r}{hint}"


def _history(use: Use, question: Asked, business: Business) -> Iterator[str]:
    kinds = {
        "action": business.actions,
        "group": business.groups,
        "purpose": business.purposes,
    }
    if subject(question.what, kinds["action"], kinds["group"], kinds["purpose"]) is None:
        kind, _, name = question.what.rpartition(":")
        names = kinds[kind] if kind else {one for names in kinds.values() for one in names}
        asks = f"{use.where} asks for {question.verb}({question.what!r}, ...)"
        wanted = kind or "action, group or purpose"
        yield f"{asks}, but there is no {wanted} {name!r}{nearest(name, names)}"
