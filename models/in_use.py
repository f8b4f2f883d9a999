"""The models in use at one moment, prepared together: what they share is looked up once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.customer_part import CustomerPart
from models.encoding import Matrix, Vector, encode_row
from models.inputs import CHURN_SCORE, PAIR, pair_values
from models.leaves import Leaves, Masks
from models.model import Model, is_golden
from models.offer_part import OfferPart

if TYPE_CHECKING:
    from engine.catalog import Action

_MOST_OFFERS_KEPT = 10_000
_MOST_EXPECTED = 1_024
_AT_ONCE = 16
"""So many customers are looked up together."""
_MOST_REMEMBERED = 64
_NOT_SHARED = frozenset({*PAIR, CHURN_SCORE})

Pairs = Sequence[tuple["Action", str]]
Values = Mapping[str, object]


class _Found(NamedTuple):
    """A customer who was looked up: with the churn score, what is left open for offers."""

    features: Values
    score: float | None
    left: Masks | None


class _Channel:
    """The offers seen on one channel: by the identity of their action, which is kept alive."""

    def __init__(self, compiled: Leaves) -> None:
        self.part = OfferPart(compiled)
        self.number: dict[int, int] = {}
        self.kept: list[Action] = []


class InUse:
    """A churn and an acceptance model, either of which may be missing."""

    def __init__(self, churn: Model | None, acceptance: Model | None) -> None:
        self.churn = churn
        self.acceptance = acceptance
        columns = acceptance.columns if acceptance else ()
        self._names = {column.name: place for place, column in enumerate(columns)}
        self._asks_churn = CHURN_SCORE in self._names
        self._channels: dict[str, _Channel] = {}
        masked = [model for model in (churn, acceptance) if model and model.leaves]
        self._masked = {id(model): place for place, model in enumerate(masked)}
        read = [(model.columns, model.leaves) for model in masked if model.leaves]
        self._customers = CustomerPart(read, _NOT_SHARED) if read else None
        self._last: tuple[Values, list[Masks]] | None = None
        self._left: tuple[Masks, object, Masks] | None = None
        self._expected: dict[int, Values] = {}
        self._ahead: dict[int, _Found] = {}
        self._by_score: dict[object, _Found] = {}

    def expect(self, features: Values) -> None:
        """Says that this customer will be asked for: whoever is first is looked up with others."""
        if len(self._expected) >= _MOST_EXPECTED:  # some were never asked for
            self._expected.clear()
        if CHURN_SCORE not in features:
            self._expected[id(features)] = features

    def churn_score(self, features: Values) -> float | None:
        """The churn score of a customer; None without a model."""
        model = self.churn
        if model is None:
            return None
        if model.leaves is None:
            return model.one(features)
        if self._expected:
            self._look_ahead(features, model, model.leaves)
        found = self._ahead.pop(id(features), None)
        if found is not None and found.features == features:
            self._remember(found)
            return found.score
        left = self._customer_masks(features)[self._masked[id(model)]]
        return model.chance(model.leaves.raw_one(left))

    def acceptances(self, features: Values, pairs: Pairs) -> list[float | None]:
        """The acceptance of each pair; only with an acceptance model.

        The churn score is taken from the features, or computed where it is not there.
        """
        model = self.acceptance
        if model is None or not pairs:
            return [None] * len(pairs)
        if self._asks_churn and CHURN_SCORE not in features:
            features = {**features, CHURN_SCORE: self.churn_score(features)}
        if model.leaves is None:
            return model.many(self._rows(model, features, pairs))
        left = self._left_open(model, model.leaves, features)
        return model.chances(self._raw(model.leaves, left, pairs))

    def wrong(self) -> list[Model]:
        """The models whose golden rows are not reproduced by what is looked up together."""
        models = [model for model in (self.churn, self.acceptance) if model and model.leaves]
        return [model for model in models if not is_golden(model.artefact, self._raw_by(model))]

    def _raw_by(self, model: Model) -> Callable[[Matrix], Matrix]:
        compiled = model.leaves
        alone = [place for place, each in enumerate(model.columns) if each.name in _NOT_SHARED]

        def raw(rows: Matrix) -> Matrix:
            found: list[Vector] = []
            for row in rows.tolist():
                if compiled is None:
                    break
                pairs = zip(model.columns, row, strict=True)
                values = {column.name: column.decode(code) for column, code in pairs}
                left = self._customer_masks(values)[self._masked[id(model)]]
                part = OfferPart(compiled)
                offers = part.numbers([compiled.mask(alone, [row[place] for place in alone])])
                found.append(part.raw(left, offers))
            return np.array(found)

        return raw

    # -- the customer

    def _customer_masks(self, features: Values) -> list[Masks]:
        """What a customer leaves open, kept for the question that follows about the same one."""
        given = _but_churn(features)
        last = self._last
        if last is not None and last[0] == given:
            return last[1]
        found = self._customers.masks(given) if self._customers else []
        self._last = (given, found)
        return found

    def _left_open(self, model: Model, compiled: Leaves, features: Values) -> Masks:
        """What a customer with a churn score leaves open for the offers."""
        score = features.get(CHURN_SCORE)
        known = self._by_score.get(score) if score.__class__ is float else None
        if known is not None and known.left is not None and _but_churn(features) == known.features:
            return known.left
        left = self._customer_masks(features)[self._masked[id(model)]]
        last = self._left
        if last is not None and last[0] is left and last[1] == score:
            return last[2]
        found = self._with_churn(model, compiled, left, score)
        self._left = (left, score, found)
        return found

    def _with_churn(self, model: Model, compiled: Leaves, left: Masks, score: object) -> Masks:
        place = self._names.get(CHURN_SCORE)
        table = None if place is None else compiled.tables[place]
        if place is None or table is None:
            return left
        return left & table.row(model.columns[place].encode(score))

    # -- several customers

    def _look_ahead(self, first: Values, churn: Model, leaves: Leaves) -> None:
        """Finds the scores of this customer, if expected, with those of the next who are."""
        if self._expected.pop(id(first), None) is not first or self._customers is None:
            return
        others = list(islice(self._expected, _AT_ONCE - 1))
        several = [first, *(self._expected.pop(each) for each in others)]
        if len(several) == 1:
            return
        by_model = self._customers.masks_of(several)
        raw = leaves.raw(by_model[self._masked[id(churn)]]).tolist()
        self._ahead, lefts = {}, list[Masks]()
        for number, features in enumerate(several):
            score = churn.chance(raw[number])
            left = self._left_with([masks[number] for masks in by_model], score)
            self._ahead[id(features)] = _Found(dict(features), score, left)
            if left is not None:
                lefts.append(left)
        for channel in self._channels.values():
            channel.part.expect(lefts)

    def _left_with(self, masks: Sequence[Masks], score: float | None) -> Masks | None:
        model = self.acceptance
        if model is None or model.leaves is None:
            return None
        return self._with_churn(model, model.leaves, masks[self._masked[id(model)]], score)

    def _remember(self, found: _Found) -> None:
        """Until the offers are asked about: those who have the same churn score are few."""
        if len(self._by_score) >= _MOST_REMEMBERED:
            del self._by_score[next(iter(self._by_score))]
        self._by_score[found.score] = found

    # -- the offers

    def _raw(self, compiled: Leaves, left: Masks, pairs: Pairs) -> Vector:
        name = pairs[0][1]
        channel = self._channels.get(name) or self._channel(name, compiled)
        known = channel.number
        try:
            numbers = [known[id(action)] for action, said in pairs if said == name]
        except KeyError:
            self._learn(channel, compiled, name, pairs)
            return self._raw(compiled, left, pairs)
        if len(numbers) < len(pairs):
            return self._on_several_channels(compiled, left, pairs)
        return channel.part.raw(left, numbers)

    def _on_several_channels(self, compiled: Leaves, left: Masks, pairs: Pairs) -> Vector:
        found = np.empty(len(pairs))
        for name in {said for _, said in pairs}:
            places = [place for place, (_, said) in enumerate(pairs) if said == name]
            found[places] = self._raw(compiled, left, [pairs[place] for place in places])
        return found

    def _channel(self, name: str, compiled: Leaves) -> _Channel:
        found = self._channels[name] = _Channel(compiled)
        return found

    def _learn(self, channel: _Channel, compiled: Leaves, name: str, pairs: Pairs) -> None:
        if len(channel.kept) > _MOST_OFFERS_KEPT:
            channel = self._channel(name, compiled)
        offers = {id(action): action for action, said in pairs if said == name}
        masks = [self._mask(compiled, action, name) for action in offers.values()]
        numbers = channel.part.numbers(masks)
        channel.kept += offers.values()
        channel.number.update(zip(offers, numbers, strict=True))

    def _mask(self, compiled: Leaves, action: Action, channel: str) -> Masks:
        values = pair_values(action, channel)
        named = [self._names[name] for name in PAIR if name in self._names]
        columns = self.acceptance.columns if self.acceptance else ()
        row = encode_row([columns[place] for place in named], values)
        return compiled.mask(named, row)

    def _rows(self, model: Model, features: Values, pairs: Pairs) -> Any:
        offered = [place for name, place in self._names.items() if name in PAIR]
        columns = [model.columns[place] for place in offered]
        rows = np.tile(encode_row(model.columns, features), (len(pairs), 1))
        rows[:, offered] = [encode_row(columns, pair_values(*pair)) for pair in pairs]
        return rows


def _but_churn(features: Values) -> dict[str, object]:
    given = dict(features)
    given.pop(CHURN_SCORE, None)
    return given
