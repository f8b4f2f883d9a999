"""How long each stage of an answer took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Timings:
    """Seconds of wall time by stage, of all attempts together; what did not happen took none.

    `read`: live state and features. `score`: the models. `decide`: the funnel and the order,
    without the models. `commit`: record, volumes and the script that makes it binding.
    """

    read: float = 0.0
    score: float = 0.0
    decide: float = 0.0
    commit: float = 0.0
