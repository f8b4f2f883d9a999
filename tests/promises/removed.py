"""A pytest plugin that takes one guard out of the product, for a suite that has to notice it.

`python -m pytest -p tests.promises.removed ...` with REMOVED_GUARD naming the guard.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from engine import (
    contact,
    eligibility,
    exclusions,
    freshness,
    guards,
    holds,
    keeping,
    policies,
    quiet,
    record,
    session,
    sieve,
    volumes,
)
from engine.ledger import earlier, ledger, live, permission, sends
from engine.ledger.script import Script
from workflows import rebuild

VARIABLE = "REMOVED_GUARD"


def nothing(*_: Any, **__: Any) -> None:
    """No reason to stop anything."""
    return


def always(*_: Any) -> bool:
    """Whatever is asked, it may."""
    return True


def empty(*_: Any) -> tuple[()]:
    """Nothing is there."""
    return ()


def without(script: Script, guard: str, instead: str) -> Callable[[], None]:
    """A script in which a condition reads otherwise."""

    def change() -> None:
        assert guard in script.text, f"the script has no {guard!r} any more: name its guard anew"
        script.text = script.text.replace(guard, instead)
        script.sha = hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()

    return change


def instead(module: Any, name: str, replacement: Any) -> Callable[[], None]:
    """Something else under a name."""
    assert hasattr(module, name), f"{module.__name__} has no {name} any more: name its guard anew"
    return lambda: setattr(module, name, replacement)


def both(*changes: Callable[[], None]) -> Callable[[], None]:
    """What is kept in two places, taken out of both."""

    def change() -> None:
        for each in changes:
            each()

    return change


VERSION = "not unchanged(KEYS[2], ARGV[1])"
ENOUGH = "if not enough("

GUARDS: dict[str, tuple[Callable[[], None], str]] = {
    # guard: how it is taken out, and the file whose tests have to notice that
    "holds": (instead(holds, "covering", empty), "engine/test_decide.py"),
    "emergency stop": (instead(exclusions, "excluded", nothing), "engine/test_exclusions.py"),
    "contact limits": (instead(contact, "limited", nothing), "engine/test_decide.py"),
    "rules": (
        both(instead(eligibility, "failed_rules", empty), instead(sieve, "rules", empty)),
        "engine/test_telco_bundle.py",
    ),
    "margin floors": (
        both(instead(exclusions, "below_margin", empty), instead(sieve, "floors", empty)),
        "engine/test_exclusions.py",
    ),
    "places kept for better": (instead(keeping, "kept", nothing), "ledger/test_journeys.py"),
    "contact policies": (instead(policies, "suppressed", nothing), "engine/test_policies.py"),
    "session": (instead(session, "silenced", nothing), "engine/test_session.py"),
    "quiet hours": (instead(quiet, "hushed", nothing), "engine/test_quiet.py"),
    "nothing while not reconciled": (
        instead(guards, "careful", always),
        "engine/test_decide.py",
    ),
    "volumes": (instead(volumes, "taken", empty), "ledger/test_volumes.py"),
    "freshness": (
        instead(freshness, "_too_old", empty),
        "engine/test_freshness.py",
    ),
    "stored answers": (instead(earlier, "still_legal", always), "engine/test_live.py"),
    "seals": (instead(record, "verify", always), "engine/test_record.py"),
    "version at commit": (without(live.COMMIT, VERSION, "false"), "engine/test_live.py"),
    "marker at commit": (without(live.COMMIT, "marker ~= ARGV[2]", "false"), "engine/test_live.py"),
    "version at authorisation": (
        without(permission.AUTHORISE, VERSION, "false"),
        "ledger/test_permission.py",
    ),
    "marker at authorisation": (
        without(permission.AUTHORISE, "(redis.call('GET', KEYS[1]) or '') ~= ARGV[2]", "false"),
        "ledger/test_permission.py",
    ),
    "units at commit": (
        without(live.COMMIT, ENOUGH, "if false and not enough("),
        "ledger/test_volumes.py",
    ),
    "units at authorisation": (
        without(permission.AUTHORISE, ENOUGH, "if false and not enough("),
        "ledger/test_volumes.py",
    ),
    "waiting for deliveries under way": (
        instead(ledger, "_FLIGHT_SECONDS", 0.0),
        "workflows/test_acceptance.py",
    ),
    "fresh permission": (instead(permission, "FRESH_SECONDS", 1e9), "ledger/test_sends.py"),
    "a settled message stays settled": (
        instead(sends, "_settled", nothing),
        "ledger/test_sends.py",
    ),
    "contacts after a wipe": (
        instead(rebuild, "_contacts", empty),
        "workflows/test_rebuild.py",
    ),
}


def pytest_configure(config: pytest.Config) -> None:
    """Takes the guard out before anything is collected."""
    del config
    GUARDS[os.environ[VARIABLE]][0]()
