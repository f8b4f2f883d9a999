"""A running API follows the files of its bundle: at once, and only if they are good."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.ledger.site import BUNDLES
from tests.api.test_server import api
from tests.support.servers import valkey

PATIENCE_SECONDS = 15.0
TWO_NEW = {
    name: {
        "title": name,
        "purpose": "service",
        "group": "care",
        "exempt": "service",
        "value": value,
        "prior": 0.5,
        "treatments": {"web": {"headline": name, "body": name, "button": name}},
    }
    for name, value in (("star", 100_000), ("moon", 95_000))
}


@dataclass(frozen=True, slots=True)
class Shop:
    """An API, and the folder of its bundle."""

    door: httpx.Client
    folder: Path

    def decide(self) -> dict[str, Any]:
        """A decision, with everything that explains it."""
        asked = {"customer": "ann", "channel": "web", "explain": True, "dry_run": True}
        reply = self.door.post("/v1/decisions", json=asked)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def offered(self) -> list[str]:
        """The actions that it offers now."""
        placements = self.decide()["placements"].values()
        return [offer["action"] for offers in placements for offer in offers]

    def degraded(self) -> list[str]:
        """What is not as it should be with the bundle, as operators are told."""
        lines = self.door.get("/readyz").json()["degraded"]
        return [line for line in lines if line.startswith("bundle: ")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An API whose bundle may be changed."""
    folder = tmp_path_factory.mktemp("shop")
    bundle = Path(shutil.copytree(BUNDLES / "telco", folder / "bundle"))
    with (
        valkey(folder / "redis") as redis,
        api(folder, redis.url, TACTFUL_BUNDLE=str(bundle)) as (door, _),
    ):
        yield Shop(door, bundle)


def until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """What it answers once that is good."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not good(found := ask()):
        assert time.monotonic() < end, f"still {found}"
        time.sleep(0.05)
    return found


def test_an_emergency_stop_takes_effect_without_a_restart_and_ends_with_its_file(
    shop: Shop,
) -> None:
    (best,) = shop.offered()
    stop = shop.folder / "stop.yaml"
    stop.write_text(f"exclusions: {{stop: {{actions: [{best}], because: The link is broken.}}}}\n")
    answer = until(shop.decide, lambda told: best not in str(told["placements"]))
    (stopped,) = [one for one in answer["candidates"] if one["action"] == best]
    assert stopped["drops"][0]["stage"] == "exclusion"
    assert stopped["drops"][0]["detail"] == "The link is broken."
    stop.unlink()
    assert until(shop.offered, lambda found: found == [best]) == [best]


def test_a_new_action_learns_from_every_outcome_before_any_model_knows_it(shop: Shop) -> None:
    text = (business := shop.folder / "business.yaml").read_text()
    business.write_text(text.replace("exploration:\n", "exploration:\n  smoothing_evidence: 20\n"))
    (new := shop.folder / "actions" / "new.yaml").write_text(json.dumps({"actions": TWO_NEW}))
    until(shop.offered, lambda found: found == ["star"])
    for number in range(3):
        told = shop.door.post("/v1/decisions", json={"customer": f"new {number}", "channel": "web"})
        outcome = {"treatment": "star.web", "outcome": "reject", "id": "1"}
        decision = told.json()["decision_id"]
        shop.door.post(f"/v1/decisions/{decision}/outcomes", json=outcome).raise_for_status()
    until(shop.offered, lambda found: found == ["moon"])
    new.unlink()
    business.write_text(text)
    until(shop.offered, lambda found: found not in (["star"], ["moon"]))


def test_a_broken_bundle_never_replaces_a_good_one_and_operators_are_told(shop: Shop) -> None:
    good = shop.decide()["bundle"]
    assert shop.degraded() == []
    file = shop.folder / "business.yaml"
    text = file.read_text()
    file.write_text(text.replace("at_most: 2\n", "at_most: two\n", 1).replace("USD", "EUR", 1))
    (told,) = until(shop.degraded, bool)
    line = text[: text.index("at_most: 2\n")].count("\n") + 1
    assert f"business.yaml:{line}: at_most of limit marketing-messages-in-a-week must be" in told
    assert "the last good one stays in force" in told
    for _ in range(5):
        assert shop.decide()["bundle"] == good
    file.write_text(text.replace("USD", "EUR", 1))
    until(shop.degraded, lambda lines: not lines)
    assert shop.decide()["bundle"] != good
    file.write_text(text)
    until(lambda: shop.decide()["bundle"], lambda found: found == good)
