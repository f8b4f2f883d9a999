"""The training of the models: each in turn, by a schedule, with what came of it in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

TRAIN = "train"
MODELS = ("churn", "acceptance")
LONGEST = timedelta(hours=6)
SILENCE = timedelta(seconds=30)
"""A worker that has not been heard of for so long is dead: another one trains."""
ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which models to train, one after the other: acceptance looks at the scores of churn."""

    models: tuple[str, ...] = MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of one. `rows` it learned from, `judged` it was judged by."""

    model: str
    promoted: bool
    artefact: str
    because: str
    rows: int = 0
    judged: int = 0

    def words(self) -> str:
        """One line for operators."""
        verdict = "promoted" if self.promoted else "the one in use stays"
        return f"{self.model}: {verdict} ({self.because})"


@workflow.defn(name="training")
class Training:
    """Builds the set, trains, calibrates, judges beside the one in use, promotes or keeps."""

    @workflow.run
    async def run(self, asked: Asked) -> list[Trained]:
        """What came of each; a model that fails does not keep the next one from being trained."""
        found: list[Trained] = []
        for model in asked.models:
            workflow.set_current_details("\n\n".join([*_lines(found), f"{model}: training"]))
            found.append(await self._one(model))
        workflow.set_current_details("\n\n".join(_lines(found)))
        return found

    async def _one(self, model: str) -> Trained:
        try:
            return await workflow.execute_activity(
                TRAIN,
                model,
                result_type=Trained,
                start_to_close_timeout=LONGEST,
                heartbeat_timeout=SILENCE,
                retry_policy=RetryPolicy(maximum_attempts=ATTEMPTS),
                summary=model,
            )
        except ActivityError as error:
            because = f"training failed: {error.cause or error}"
            return Trained(model=model, promoted=False, artefact="", because=because)


def _lines(found: list[Trained]) -> list[str]:
    return [each.words() for each in found]
