"""What is in force: options over variables over the file over defaults; wrong ones are named."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from api.config import in_force
from api.settings import DEVELOPMENT_SECRET, load_settings, site
from engine.errors import StackError

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    """No file and no variable of the machine reaches these tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TACTFUL_DATA_DIR", raising=False)


def origin_of(name: str, **options: object) -> str:
    return next(line.origin for line in in_force(options) if line.name == name)


def test_an_option_beats_a_variable_beats_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().api_port == 8000
    (tmp_path / "tactful.toml").write_text("api_port = 1001\n")
    assert load_settings().api_port == 1001
    assert origin_of("api_port") == "tactful.toml"
    monkeypatch.setenv("TACTFUL_API_PORT", "1002")
    assert load_settings().api_port == 1002
    assert origin_of("api_port") == "TACTFUL_API_PORT"
    assert load_settings({"api_port": 1003}).api_port == 1003
    assert origin_of("api_port", api_port=1003) == "--api-port"
    assert origin_of("redis_port") == "default"


def test_an_option_that_was_not_given_changes_nothing() -> None:
    assert load_settings({"api_port": None, "data_dir": None}) == load_settings()


def test_another_file_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('redis_url = "redis://cache:6379/0"\n')
    monkeypatch.setenv("TACTFUL_CONFIG", str(tmp_path / "own.toml"))
    assert load_settings().redis == "redis://cache:6379/0"
    monkeypatch.setenv("TACTFUL_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(StackError, match=r"absent\.toml, which is no file"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("api_prot = 1", "unknown setting 'api_prot'"),
        ("api_port = ", "no valid TOML"),
        ("api_port = 70000", "api_port"),
        ("lapse = 0", "lapse"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "tactful.toml").write_text(text)
    with pytest.raises(StackError, match=word) as refused:
        load_settings()
    assert "\n" not in str(refused.value).strip()


def test_secrets_and_passwords_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACTFUL_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("TACTFUL_REDIS_URL", "redis://user:hunter2@cache:6379/0")
    monkeypatch.setenv("TACTFUL_JOURNAL_URL", "postgresql://tactful:hunter2@db/journal")
    printed = " ".join(str(line.value) for line in in_force())
    assert "hunter2" not in printed
    assert SECRET not in printed
    assert "redis://user:***@cache:6379/0" in printed


def test_outside_development_the_default_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACTFUL_ENVIRONMENT", "production")
    with pytest.raises(StackError, match="TACTFUL_WEBHOOK_SECRET"):
        load_settings()
    monkeypatch.setenv("TACTFUL_WEBHOOK_SECRET", DEVELOPMENT_SECRET)
    with pytest.raises(StackError, match="development default"):
        load_settings()
    monkeypatch.setenv("TACTFUL_WEBHOOK_SECRET", SECRET)
    assert load_settings().environment == "production"


@pytest.mark.parametrize("secret", ["", "whsec_c2hvcnQ=", "whsec_***", "hunter2", SECRET[6:]])
def test_a_weak_or_broken_secret_is_refused(secret: str) -> None:
    with pytest.raises(StackError, match="webhook_secret"):
        load_settings({"webhook_secret": secret})


def test_a_webhook_goes_only_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACTFUL_WEBHOOK_ALLOW", "hooks.example, other.example")
    assert load_settings({"webhook_url": "https://hooks.example/in"}).webhook_url
    for address in ("https://evil.example/in", "https://hooks.example.evil.example/"):
        with pytest.raises(StackError, match="not among webhook_allow"):
            load_settings({"webhook_url": address})


@pytest.mark.parametrize("address", ["file:///etc/passwd", "hooks", "http://", "ftp://a/b"])
def test_a_webhook_is_an_http_address(address: str) -> None:
    with pytest.raises(StackError, match="no http or https address"):
        load_settings({"webhook_url": address})


def test_ones_own_temporal_has_no_made_up_interface() -> None:
    assert load_settings({"temporal_address": "temporal:7233"}).ui == ""
    assert load_settings().ui == "http://127.0.0.1:8233"


def test_every_process_of_a_stack_has_the_same_key_and_clock(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path / "stack", "lapse": 60.0})
    again = load_settings({"data_dir": tmp_path / "stack"})
    assert site(settings).key == site(again).key
    assert site(settings).clock == site(again).clock


def test_stacks_on_several_machines_may_share_a_key(tmp_path: Path) -> None:
    key = base64.b64encode(bytes(32)).decode()
    place = site(load_settings({"data_dir": tmp_path / "stack", "customer_key": key}))
    assert place.key == bytes(32)
    assert not (tmp_path / "stack" / "customer.key").exists()
    with pytest.raises(StackError, match="32 bytes"):
        site(load_settings({"data_dir": tmp_path / "stack", "customer_key": "c2hvcnQ="}))
