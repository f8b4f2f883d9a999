"""What the tutorials lead to: Feast's own reader, LightGBM's own predict, FastAPI's own models.

It reads no holds, consents or limits, applies no rules, and records nothing.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import os
from typing import Any

import lightgbm
import numpy as np
from fastapi import FastAPI
from feast import FeatureStore

from benchmarks.empty_route import DecisionAsked, DecisionMade, offer, reply
from benchmarks.tutorial_features import (
    ACTION_FEATURES,
    ACTIONS,
    ENTITY,
    FOLDER_VARIABLE,
    MODEL_VARIABLE,
    SERVICE,
)

store = FeatureStore(os.environ[FOLDER_VARIABLE])
service = store.get_feature_service(SERVICE)
model = lightgbm.Booster(model_file=os.environ[MODEL_VARIABLE])
actions = np.random.default_rng(1).normal(size=(ACTIONS, ACTION_FEATURES))
app = FastAPI()


@app.post("/v1/decisions")
async def decide(asked: DecisionAsked) -> DecisionMade:
    """Read 36 features, score 24 actions, answer with the best."""
    rows = [{ENTITY: asked.customer}]
    found = store.get_online_features(features=service, entity_rows=rows).to_dict()
    values = [cell[0] for name, cell in found.items() if name != ENTITY]
    customer = np.array([np.nan if value is None else value for value in values], dtype=float)
    pairs = np.hstack([np.tile(customer, (len(actions), 1)), actions])
    scores: Any = model.predict(pairs, num_threads=1)
    best = np.argsort(-scores)[: max(place.limit for place in asked.placements)]
    offers = [offer(int(one), rank + 1, float(scores[one])) for rank, one in enumerate(best)]
    return reply(asked, offers)
