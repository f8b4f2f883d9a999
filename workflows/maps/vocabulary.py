"""The steps of the authoring kit as boxes: their shapes, their words, how each can turn out."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.holds import COMMERCIAL, SALES
from workflows.maps.chart import Shape
from workflows.maps.scope import UNKNOWN, Scope, in_words
from workflows.maps.wording import plain, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A step: `title` with its arguments by name, and the words for going on with yes and no."""

    shape: Shape
    title: str
    outcomes: tuple[str, str] = ("yes", "no")
    takes: tuple[str, ...] = ()
    many: str = ""
    """What its further positional arguments are."""


VERBS: Mapping[str, Verb] = {
    "stage": Verb(shape=Shape.STAGE, title="{name}", takes=("name",)),
    "wait_for": Verb(
        shape=Shape.WAIT,
        title="wait for {what}",
        outcomes=("heard", "time is over"),
        many="hears",
    ),
    "wait_for_business_hours": Verb(
        shape=Shape.WAIT,
        title="wait for business hours {hours}",
        outcomes=("heard", "open"),
        takes=("hours",),
    ),
    "next_step": Verb(
        shape=Shape.WAIT,
        title="wait for the next step of the service clock",
        outcomes=("due", "over"),
    ),
    "wait_condition": Verb(shape=Shape.WAIT, title="wait until {fn}", takes=("fn",)),
    "sleep": Verb(shape=Shape.WAIT, title="wait {wait}: {what}", takes=("wait",)),
    "clear_of_hold": Verb(
        shape=Shape.HOLD,
        title="wait until no hold covers {purposes}, {tags}",
        outcomes=("clear", "not in time"),
    ),
    "decide": Verb(
        shape=Shape.STEP,
        title="decide on {channel}",
        outcomes=("something to say", "nothing to say"),
        takes=("channel",),
    ),
    "send": Verb(
        shape=Shape.STEP,
        title="send {proposal}",
        outcomes=("sent", "not sent"),
        takes=("proposal",),
    ),
    "reach": Verb(
        shape=Shape.STEP,
        title="say {action}",
        outcomes=("sent", "not sent"),
        takes=("channels",),
    ),
    "hold": Verb(shape=Shape.HOLD, title="hold {hold_id}", takes=("hold_id",)),
    "release": Verb(
        shape=Shape.HOLD,
        title="release the hold",
        outcomes=("released", "placed again meanwhile"),
    ),
    "tell_others": Verb(
        shape=Shape.STEP, title="tell other journeys: {what}", takes=("what", "about")
    ),
    "milestone": Verb(shape=Shape.MILESTONE, title="milestones", takes=("name",)),
    "assign": Verb(shape=Shape.PERSON, title="assign to {owner}", takes=("owner",)),
    "escalate": Verb(shape=Shape.PERSON, title="escalate to {to}"),
    "hand_off": Verb(
        shape=Shape.PERSON,
        title="hand off to {to}",
        outcomes=("taken over", "fails"),
        takes=("to",),
    ),
    "ask": Verb(
        shape=Shape.PERSON,
        title="ask: {question}",
        outcomes=("answered", "no answer"),
        takes=("question",),
    ),
    "desks": Verb(shape=Shape.STEP, title="ask who is busy, and who has an open complaint"),
    "survey": Verb(
        shape=Shape.STEP,
        title="survey {action}",
        outcomes=("answered", "no answer"),
        takes=("action",),
    ),
    "sub_journey": Verb(
        shape=Shape.STEP,
        title="journey {kind} {name}",
        outcomes=("ended", "not ended"),
        takes=("kind", "name"),
    ),
    "finish": Verb(shape=Shape.END, title="{ended}", takes=("ended",)),
}

ELSEWHERE = frozenset({"sleep", "wait_condition", "next_step"})
"""Steps that are not only the journey's own: of Temporal, and of clocks that it keeps."""

_USUAL: Mapping[str, tuple[tuple[str, str], ...]] = {
    "reach": (("action", "what suits best"),),
    "send": (("proposal", "what was proposed"),),
    "clear_of_hold": (("purposes", SALES), ("tags", COMMERCIAL)),
}
"""What an argument means when nothing more is said of it."""

_SYNONYMS = {"owner": "to", "who": "to", "channel": "channels"}
_DETAILS: Mapping[str, str] = {
    "hears": "hears {}",
    "within": "within {}",
    "maximum": "for {} at most",
    "until": "until {}",
    "channels": "by {}",
    "channel": "by {}",
    "owner": "owner: {}",
    "due": "due {}",
    "options": "answers: {}",
    "choices": "answers: {}",
    "awaited": "waits for its end",
    "on_hold": "under a hold: {}",
    "ladder": "up the ladder: {}",
    "taken_by": "taken by {}",
    "default": "without an answer: {}",
    "fallback": "fallback: {}",
    "because": "{}",
    "unless": "unless it hears {}",
}
_EMPTY = re.compile(r"[:,]?( to)? *\{\w+\}|: *$")


def box_of(call: ast.Call, name: str, scope: Scope) -> tuple[Verb, str, tuple[str, ...]]:
    """The verb of a step, with the title and the details of its box."""
    verb = VERBS[name]
    told = _arguments(call, verb, scope)
    for argument, usual in _USUAL.get(name, ()):
        told.setdefault(argument, usual)
    if name == "hand_off" and "fallback" not in told and told.keys() & {"via", "within", "until"}:
        told["fallback"] = "a callback"
    if name == "escalate" and "to" not in told:
        told["ladder"] = in_words(getattr(scope.journey, "ladder", ()))
    title = verb.title
    for argument, text in told.items():
        title = title.replace(f"{{{argument}}}", text)
    title = _EMPTY.sub("", title).strip(" ,:")
    if verb.shape is Shape.MILESTONE:
        return verb, title, (_milestone(told),)
    if verb.shape is Shape.END:
        told.pop("unless", None)  # a line of its own tells it
    shown = {argument for argument in told if f"{{{argument}}}" in verb.title}
    details = [
        template.format(told[argument]).replace("until in ", "for ")
        for argument, template in _DETAILS.items()
        if argument in told and argument not in shown and template
    ]
    return verb, title or plain(name), tuple(details)


def _arguments(call: ast.Call, verb: Verb, scope: Scope) -> dict[str, str]:
    told: dict[str, str] = {}
    if verb.many:
        told[verb.many] = ", ".join(words(each, scope) for each in call.args)
    else:
        told |= {
            name: words(each, scope) for name, each in zip(verb.takes, call.args, strict=False)
        }
    for keyword in call.keywords:
        if keyword.arg and scope.value(keyword.value) not in (None, (), False):
            told[keyword.arg] = words(keyword.value, scope)
    for name in list(told):
        synonym = _SYNONYMS.get(name)
        if synonym and f"{{{synonym}}}" in verb.title:
            told.setdefault(synonym, told.pop(name))
    return {name: text for name, text in told.items() if text and text != name}


def _milestone(told: Mapping[str, str]) -> str:
    due = f" by {told['due']}" if "due" in told else ""
    owner = f", {told['owner']}" if "owner" in told else ""
    metric = f", seen by {told['metric']}" if "metric" in told else ""
    return f"{told.get('name', '')}{due}{owner}{metric}"


def stage_pattern(call: ast.Call, scope: Scope) -> str:
    """A regular expression for the names of a stage."""
    node = call.args[0] if call.args else None
    return _pattern(node, scope)


def _pattern(node: ast.expr | None, scope: Scope) -> str:
    value = scope.value(node)
    if value is not UNKNOWN:
        return re.escape(str(value))
    if isinstance(node, ast.IfExp):
        return f"{_pattern(node.body, scope)}|{_pattern(node.orelse, scope)}"
    if isinstance(node, ast.JoinedStr):
        parts = (scope.value(part) for part in node.values)
        return "".join(".+" if part is UNKNOWN else re.escape(str(part)) for part in parts)
    return ".+"
