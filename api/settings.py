"""What is in force: environment variables `TACTFUL_…`, then a TOML file, then defaults."""

from __future__ import annotations

import base64
import binascii
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from engine.errors import StackError
from engine.ledger.clock import open_clock
from engine.ledger.references import open_key
from engine.ledger.site import BUNDLES, Site, Tls

PREFIX = "TACTFUL_"
CONFIG_VARIABLE = PREFIX + "CONFIG"
DEVELOPMENT_SECRET = "whsec_" + base64.b64encode(b"for development, never elsewhere").decode()

MOST_IN_FLIGHT = 64

Port = Annotated[int, Field(ge=0, le=65535)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,128}$")]


def config_file() -> Path:
    """The TOML file: `TACTFUL_CONFIG`, or tactful.toml in the working directory."""
    return Path(os.environ.get(CONFIG_VARIABLE) or "tactful.toml")


class Settings(BaseSettings):
    """Everything that can be configured. An address left out means: the stack's own server."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    environment: str = "development"
    data_dir: Path = Path(".tactful")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    api_url: str | None = None
    max_in_flight: Annotated[int, Field(ge=1)] = MOST_IN_FLIGHT
    redis_url: str | None = None
    redis_port: Port = 6399
    redis_binary: Path | None = None
    journal_url: str = ""
    customer_key: SecretStr | None = None
    temporal_address: str | None = None
    temporal_port: Port = 7233
    temporal_binary: Path | None = None
    temporal_ui: str | None = None
    temporal_ui_port: Port = 8233
    temporal_namespace: str = "default"
    temporal_tls: bool = False
    temporal_tls_ca: Path | None = None
    temporal_tls_cert: Path | None = None
    temporal_tls_key: Path | None = None
    temporal_api_key: SecretStr | None = None
    task_queue: str = "tactful"
    worker_deployment: Word = "tactful"
    worker_build: Word = ""
    bundle: Path = BUNDLES / "telco"
    webhook_url: str | None = None
    webhook_allow: Annotated[tuple[str, ...], NoDecode] = ()
    webhook_secret: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    lapse: Annotated[float, Field(gt=0)] | None = None
    log_days: Annotated[int, Field(ge=0, le=36_500)] = 730
    training_hours: Annotated[int, Field(ge=0, le=8_760)] = 24

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options of the command line win, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("webhook_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(host.strip() for host in value.split(",") if host.strip())
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _is_a_standard_webhooks_secret(cls, value: SecretStr) -> SecretStr:
        from engine.channels.webhook import open_signer  # slow to import, and used by few commands

        try:
            open_signer(value.get_secret_value())
        except StackError as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _webhook_is_allowed(self) -> Self:
        if self.webhook_url is None:
            return self
        address = urlsplit(self.webhook_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError(f"webhook_url {self.webhook_url!r} is no http or https address")
        if self.webhook_allow and address.hostname not in self.webhook_allow:
            raise ValueError(
                f"webhook_url's host {address.hostname!r} is not among webhook_allow: "
                + ", ".join(self.webhook_allow)
            )
        return self

    @model_validator(mode="after")
    def _no_default_secret_outside_development(self) -> Self:
        secret = self.webhook_secret.get_secret_value()
        if self.environment != "development" and secret == DEVELOPMENT_SECRET:
            raise ValueError(
                f"environment is {self.environment!r} and webhook_secret the development default; "
                "set TACTFUL_WEBHOOK_SECRET to whsec_ and the base64 of 24 to 64 random bytes"
            )
        return self

    @property
    def redis(self) -> str:
        """The address of Redis: one's own, or that of the stack's Valkey."""
        return self.redis_url or f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def temporal(self) -> str:
        """`host:port` of Temporal: one's own, or that of the stack's dev server."""
        return self.temporal_address or f"127.0.0.1:{self.temporal_port}"

    @property
    def ui(self) -> str:
        """The address of the Temporal UI; empty when Temporal is one's own and it was not said."""
        own = "" if self.temporal_address else f"http://127.0.0.1:{self.temporal_ui_port}"
        return self.temporal_ui or own

    @property
    def api(self) -> str:
        """The address under which commands reach the API."""
        if self.api_url:
            return self.api_url.rstrip("/")
        host = "127.0.0.1" if self.api_host in {"0.0.0.0", "::", ""} else self.api_host
        return f"http://{host}:{self.api_port}"


def load_settings(options: Mapping[str, object] | None = None) -> Settings:
    """The settings in force; `options` are those of the command line, None meaning not given.

    Raises StackError with one line that names every wrong setting.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    if CONFIG_VARIABLE in os.environ and not config_file().is_file():
        raise StackError(f"{CONFIG_VARIABLE} names {config_file()}, which is no file")
    try:
        if config_file().is_file():
            tomllib.loads(config_file().read_text())
    except (OSError, ValueError) as error:
        raise StackError(f"{config_file()} is no valid TOML: {error}") from None
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise StackError("; ".join(_problems(error))) from None


def _problems(error: ValidationError) -> list[str]:
    problems: list[str] = []
    for detail in error.errors(include_url=False, include_input=False):
        message = detail["msg"].removeprefix("Value error, ")
        name = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            problems.append(f"{config_file()}: unknown setting {name!r}")
        else:
            problems.append(f"{name}: {message}" if name else message)
    return problems


def without_password(address: str) -> str:
    """The address with its password masked.

    >>> without_password("redis://:hunter2@cache:6379/0")
    'redis://:***@cache:6379/0'
    """
    parts = urlsplit(address)
    if parts.password is None:
        return address
    user, host = parts.username or "", parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:***@{host}"))


def site(settings: Settings) -> Site:
    """The stack as every part sees it. Makes the data directory, its clock and its key if new.

    Raises StackError when the directory can't be used or was made with another lapse.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        clock = open_clock(settings.data_dir, settings.lapse)
        key = _customer_key(settings)
    except OSError as error:
        reason = error.strerror or error
        raise StackError(f"data directory {settings.data_dir} can't be used: {reason}") from None
    return Site(
        data_dir=settings.data_dir,
        key=key,
        clock=clock,
        redis_url=settings.redis,
        journal_url=settings.journal_url,
        temporal_address=settings.temporal,
        temporal_namespace=settings.temporal_namespace,
        temporal_ui=settings.ui,
        task_queue=settings.task_queue,
        worker_deployment=settings.worker_deployment,
        worker_build=settings.worker_build,
        bundle=settings.bundle,
        webhook_url=settings.webhook_url,
        webhook_secret=settings.webhook_secret.get_secret_value(),
        temporal_tls=_tls(settings),
        temporal_api_key=(settings.temporal_api_key or SecretStr("")).get_secret_value(),
        log_days=settings.log_days,
        training_hours=settings.training_hours,
    )


def _tls(settings: Settings) -> Tls | None:
    if not settings.temporal_tls:
        return None
    return Tls(
        ca=settings.temporal_tls_ca,
        certificate=settings.temporal_tls_cert,
        key=settings.temporal_tls_key,
    )


def _customer_key(settings: Settings) -> bytes:
    if settings.customer_key is None:
        key, place = open_key(settings.data_dir), str(settings.data_dir / "customer.key")
    else:
        place = PREFIX + "CUSTOMER_KEY"
        try:
            key = base64.b64decode(settings.customer_key.get_secret_value(), validate=True)
        except binascii.Error:
            key = b""
    if len(key) != 32:
        raise StackError(f"{place} does not hold a key of 32 bytes")
    return key
