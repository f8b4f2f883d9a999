"""The error tree: api/errors.py maps it to HTTP, workflows/activities.py to Temporal.

Each class has a stable `code`. Expected outcomes (nothing to offer, held, limit reached) are data,
never exceptions.
"""

from __future__ import annotations


class TactfulError(Exception):
    """The root. The message says what was wrong, where, and what would be right."""

    code = "internal"


class InvalidInput(TactfulError):
    """The caller sent something that can't be accepted as it is."""

    code = "invalid_input"


class UnknownChannel(InvalidInput):
    """A channel that the bundle does not name."""

    code = "unknown_channel"


class UnknownPurpose(InvalidInput):
    """A purpose that the bundle does not name."""

    code = "unknown_purpose"


class UnknownTreatment(InvalidInput):
    """An outcome for a treatment that its decision did not offer."""

    code = "unknown_treatment"


class InvalidEvent(InvalidInput):
    """An event that breaks CloudEvents or lacks what its type needs."""

    code = "invalid_event"


class RuleError(InvalidInput):
    """A rule or value that is not in the rule language: what is wrong, and what is allowed."""

    code = "invalid_rule"


class NotFound(TactfulError):
    """What was asked for does not exist."""

    code = "not_found"


class UnknownDecision(NotFound):
    """No record of this decision id."""

    code = "unknown_decision"


class UnknownCustomer(NotFound):
    """Nothing at all is known under this id or alias."""

    code = "unknown_customer"


class UnknownHold(NotFound):
    """No hold of this id on this customer."""

    code = "unknown_hold"


class UnknownAction(NotFound):
    """No action of this name in the bundle."""

    code = "unknown_action"


class UnknownBundle(NotFound):
    """No bundle of this hash was ever in force here."""

    code = "unknown_bundle"


class Conflict(TactfulError):
    """The request contradicts what was accepted before."""

    code = "conflict"


class RequestIdReused(Conflict):
    """The same request id came with another body."""

    code = "request_id_reused"


class HoldOwnedByJourney(Conflict):
    """A journey's hold is released by its journey, or by an operator once it is orphaned."""

    code = "hold_owned_by_journey"


class Unavailable(TactfulError):
    """A part of the stack can't be reached; repeating the call later is safe."""

    code = "unavailable"


class JournalUnavailable(Unavailable):
    """The journal can't be written: nothing is accepted that could be lost."""

    code = "journal_unavailable"


class LiveStateUnavailable(Unavailable):
    """Redis can't be reached or is not reconciled."""

    code = "live_state_unavailable"


class JourneysUnavailable(Unavailable):
    """Temporal can't be reached."""

    code = "journeys_unavailable"


class InvalidBundle(TactfulError):
    """A bundle with errors: each of `problems` is `file:line: what, and what would be right`."""

    code = "invalid_bundle"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class InvalidModel(TactfulError):
    """A model artefact that is missing, damaged, or does not fit its features."""

    code = "invalid_model"


class StackError(TactfulError):
    """The stack can't start or run as asked: one line for the operator."""

    code = "stack"
