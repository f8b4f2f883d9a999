"""docker-compose.yml: it parses, its parts know each other, and nothing is open to the world."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("api", "worker", "reconciler")


def test_it_runs_the_parts_that_up_runs() -> None:
    assert {"valkey", "temporal", "temporal-ui", *OURS} <= set(SERVICES)
    assert [SERVICES[name]["command"] for name in OURS] == [[name] for name in OURS]


def test_everything_that_is_waited_for_exists_and_can_be_ready() -> None:
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            assert name in SERVICES
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
            else:
                assert SERVICES[name]["restart"] == "on-failure"


def test_every_volume_and_configuration_is_declared() -> None:
    mounted = {v.partition(":")[0] for s in SERVICES.values() for v in s.get("volumes", ())}
    assert mounted == set(COMPOSE["volumes"])
    used = {c["source"] for s in SERVICES.values() for c in s.get("configs", ())}
    assert used == set(COMPOSE["configs"])


def test_every_published_port_is_on_this_host_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_pinned_and_name_no_registry() -> None:
    for service in SERVICES.values():
        repository, _, tag = service["image"].partition(":")
        assert "." not in repository
        assert "build" in service or re.match(r"\d", tag)


def addresses(environment: dict[str, str]) -> Iterator[str]:
    """The hosts that our parts are told to call."""
    yield re.split(r"[/:@]+", environment["TACTFUL_REDIS_URL"])[1]
    yield environment["TACTFUL_JOURNAL_URL"].rpartition("@")[2].partition(":")[0]
    yield environment["TACTFUL_TEMPORAL_ADDRESS"].partition(":")[0]


@pytest.mark.parametrize("name", OURS)
def test_our_parts_are_configured_as_the_settings_say(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = SERVICES[name]["environment"]
    assert set(addresses(environment)) <= set(SERVICES)
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    assert set(environment) <= known
    for variable, value in environment.items():
        monkeypatch.setenv(variable, re.sub(r"\$\{[^}]*\}", "", value))
    monkeypatch.setenv("TACTFUL_WEBHOOK_SECRET", "whsec_" + "a" * 32)
    assert load_settings().environment == "production"


def test_no_secret_is_written_down() -> None:
    written = [
        f"{name}.{variable}"
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
        if re.search(r"SECRET|PASSWORD|PWD", variable) and not value.startswith("${")
    ]
    assert written == []


def test_the_image_is_built_from_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
