"""Scores for decisions: the current models, checked at load, picked up again when they change."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engine.errors import InvalidModel
from engine.frozen import maker
from engine.ledger.evidence import EvidenceCounts
from engine.ledger.site import Site
from engine.types import Answers, Scalar, Scores
from models.in_use import InUse
from models.inputs import ACCEPTANCE, CHURN
from models.model import Model
from models.registry import CURRENT, before_current, current_hash, folder, load, place

if TYPE_CHECKING:
    from engine.catalog import Action

NO_ACCEPTANCE = "no acceptance model: prior propensities are used"
NO_CHURN = "no churn model: its score is unknown"

_scores = maker(Scores)
_log = logging.getLogger(__name__)


class ModelScorer:
    """The scorer of a stack. `refresh` is cheap: call it every second to pick up new models.

    `evidence` is how many answers there are so far, given along where the bundle goes by it.
    """

    def __init__(self, site: Site, evidence: EvidenceCounts | None = None) -> None:
        self._site = site
        self._evidence = evidence
        self._stamps: dict[str, tuple[int, int] | None] = {}
        self._trouble: dict[str, str] = {}
        self._models: dict[str, Model] = {}
        self._in_use = InUse(None, None)
        self.refresh()

    @property
    def models(self) -> dict[str, str]:
        """The hashes of the models in use."""
        return {name: model.hash for name, model in self._models.items()}

    @property
    def backends(self) -> dict[str, str]:
        """Who scores each of the models in use."""
        return {name: model.backend for name, model in self._models.items()}

    def refresh(self) -> bool:
        """Loads what has become current since the last call; True if anything changed.

        A model that can't be loaded leaves the one before in use, and every answer says so.
        """
        changed = [name for name in (CHURN, ACCEPTANCE) if self._is_new(name)]
        for name in changed:
            self._load(name)
        if changed:
            self._in_use = self._together()
            if self._evidence is not None:
                model = self._in_use.acceptance
                self._evidence.learned(model.artefact.learned if model else None)
        return bool(changed)

    def _together(self) -> InUse:
        """The models looked up together, those without leaf masks that come out wrong so."""
        found = InUse(self._models.get(CHURN), self._models.get(ACCEPTANCE))
        wrong = found.wrong()
        if not wrong:
            return found
        for model in wrong:
            self._take_leaves_from(model)
        return InUse(self._models.get(CHURN), self._models.get(ACCEPTANCE))

    def _take_leaves_from(self, model: Model) -> None:
        name = model.artefact.name
        _log.warning("leaf masks of model %s come out wrong: another back end scores", name)
        try:
            model.do_without_leaves()
        except InvalidModel as error:
            self._trouble[name] = str(error)
            self._models = {each: kept for each, kept in self._models.items() if kept is not model}

    def expect(self, features: Mapping[str, Scalar]) -> None:
        """Says that these features, this very object, will be asked about before long.

        Whoever is asked about first is scored together with some of those who are expected.
        """
        self._in_use.expect(features)

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """The scores of the customer alone: `churn`."""
        in_use = self._in_use
        model = in_use.churn
        if model is None:
            return Scores(because=self._because(CHURN, NO_CHURN))
        score = in_use.churn_score(features)
        return _scores(
            customer={} if score is None else {CHURN: score},
            models={CHURN: model.hash},
            backend=model.backend,
            because=self._because(CHURN),
        )

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """How likely this customer accepts each action on its channel, in the order of the pairs.

        The churn score is taken from `features["model.churn"]`, or computed where it is not there.
        """
        in_use = self._in_use
        model = in_use.acceptance
        if model is None:
            because = self._because(ACCEPTANCE, NO_ACCEPTANCE)
            unknown = (None,) * len(pairs)
            return Scores(acceptance=unknown, evidence=self._answers(pairs), because=because)
        return _scores(
            acceptance=tuple(in_use.acceptances(features, pairs)),
            evidence=self._answers(pairs),
            models={ACCEPTANCE: model.hash},
            backend=model.backend,
            because=self._because(ACCEPTANCE),
        )

    def _answers(self, pairs: Sequence[tuple[Action, str]]) -> tuple[Answers, ...]:
        counts = self._evidence
        if counts is None or not counts.wanted:
            return ()
        of = counts.of
        return tuple([of(action.name, channel) for action, channel in pairs])

    def _because(self, name: str, missing: str = "") -> tuple[str, ...]:
        if not missing and not self._trouble:
            return ()
        return tuple(line for line in (missing, self._trouble.get(name, "")) if line)

    def _is_new(self, name: str) -> bool:
        try:
            found = (folder(self._site, name) / CURRENT).stat()
        except OSError:
            stamp = None
        else:
            stamp = (found.st_mtime_ns, found.st_ino)
        if name in self._stamps and self._stamps[name] == stamp:
            return False
        self._stamps[name] = stamp
        return True

    def _load(self, name: str) -> None:
        self._trouble.pop(name, None)
        try:
            found = current_hash(self._site, name)
            model = None if found is None else self._ready(name, found)
        except InvalidModel as error:
            self._trouble[name] = f"{error}; what was in use before stays in use"
            if name in self._models:
                return
            model = self._one_before(name)
        models = {each: kept for each, kept in self._models.items() if each != name}
        self._models = models if model is None else {**models, name: model}

    def _ready(self, name: str, artefact_hash: str) -> Model:
        kept = place(self._site, name, artefact_hash)
        return Model(load(self._site, name, artefact_hash), artefact_hash, kept)

    def _one_before(self, name: str) -> Model | None:
        """The model before the current one, for a process that starts with one it can't use."""
        try:
            before = before_current(self._site, name)
            return None if before is None else self._ready(name, before)
        except InvalidModel:
            return None
