"""Every logged decision runs again, byte for byte, in a process that had no part in it."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from api.processes import import_path, tactful
from tests.support.outside import Outside, load, until

CUSTOMERS = 300
COUNT = 10_000
BATCH = 200
CHANNELS = ("web", "web", "app", "call", "email", "whatsapp", "inbox")
PAGES = ("plans", "billing", "help", "tv", "cancel", "nothing-known")
REASONS = ("complaint", "billing", "technical", "cancel")
OUTCOMES = ("impression", "click", "accept", "reject", "later", "waved")


@pytest.fixture(scope="module")
def customers(stack: Outside) -> list[str]:
    """People of all kinds: some complain, some withdraw a consent, some are unknown."""
    names = load(stack.data_dir, CUSTOMERS)
    trained = tactful("train", "churn", "--data-dir", str(stack.data_dir))
    subprocess.run(trained, check=True, stdout=subprocess.DEVNULL, env=environment())
    for number, name in enumerate(names[:60]):
        if number % 3 == 0:
            stack.event("complaint.opened", name, case=str(number))
        elif number % 3 == 1:
            stack.event("consent.changed", name, purpose="sales", channel="web", granted=False)
        else:
            stack.event("page.viewed", name, page="plans")
    return [*names, *(f"stranger-{number}" for number in range(20))]


def environment() -> dict[str, str]:
    """That of another process, which hashes its own way."""
    return {**os.environ, **import_path(), "PYTHONHASHSEED": "random"}


def questions(customers: list[str], count: int) -> Iterator[dict[str, Any]]:
    """Seeded questions of every kind."""
    dice = random.Random(11)
    for _ in range(count):
        context = {"page": dice.choice(PAGES)} if dice.random() < 0.6 else {}
        if dice.random() < 0.3:
            context |= {"reason": dice.choice(REASONS), "mood": dice.choice(("calm", "angry"))}
        yield {
            "customer": dice.choice(customers),
            "channel": dice.choice(CHANNELS),
            "placements": [{"name": "hero", "limit": 1}, {"name": "rail", "limit": 3}],
            "context": context,
            "explain": dice.random() < 0.1,
            "deadline_ms": 5_000,
        }


def decide(stack: Outside, customers: list[str], count: int) -> int:
    """Decides, and lets customers answer some of what they are shown; how many decisions."""
    dice, made = random.Random(12), 0
    asked = questions(customers, count)
    while batch := list(itertools.islice(asked, BATCH)):
        lines = "\n".join(json.dumps(one) for one in batch)
        kind = {"content-type": "application/x-ndjson"}
        reply = stack.http.post("/v1/decisions:batch", content=lines, headers=kind)
        answers = [json.loads(line) for line in reply.text.splitlines()]
        made += sum("decision_id" in answer for answer in answers)
        for answer in answers:
            offered = [one for offers in answer["placements"].values() for one in offers]
            if offered and dice.random() < 0.3:
                said = {
                    "treatment": dice.choice(offered)["treatment"],
                    "outcome": dice.choice(OUTCOMES),
                    "id": answer["decision_id"],
                }
                stack.post(f"/v1/decisions/{answer['decision_id']}/outcomes", said)
    return made


def replayed(stack: Outside) -> dict[str, Any]:
    """What `tactful replay --all` says of the archive."""
    command = tactful("replay", "--all", "--json", "--data-dir", str(stack.data_dir))
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment(), timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def check(stack: Outside, customers: list[str], count: int) -> None:
    """All that was decided is in the archive, and runs again to the byte."""
    assert decide(stack, customers, count) == count
    found = until(lambda: replayed(stack), lambda told: told["decisions"] >= count, seconds=120)
    assert found["decisions"] >= count
    assert found["identical"] == found["decisions"]
    assert (found["tampered"], found["unsealed"], found["without_bundle"]) == (0, 0, 0)


@pytest.mark.long
def test_ten_thousand_logged_decisions_replay_byte_for_byte_in_another_process(
    stack: Outside, customers: list[str]
) -> None:
    check(stack, customers, COUNT)
