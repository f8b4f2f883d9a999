"""The ports of a stack: chosen, checked, and named when they are taken."""

from __future__ import annotations

import errno
import socket
import time

from api.settings import Settings
from engine.errors import StackError

LOCALHOST = "127.0.0.1"
OF_API, OF_TEMPORAL, OF_UI, OF_REDIS = "api_port", "temporal_port", "temporal_ui_port", "redis_port"
_PURPOSES = {
    OF_API: "the API",
    OF_TEMPORAL: "Temporal",
    OF_UI: "the Temporal UI",
    OF_REDIS: "Redis",
}


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = LOCALHOST) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise StackError(f"{host}:{port} can't be listened on: {error.strerror}") from None
    return True


def own_ports(settings: Settings) -> dict[str, int]:
    """The ports that a stack listens on itself, by the name of their setting."""
    names = [OF_API]
    names += [OF_TEMPORAL, OF_UI] if settings.temporal_address is None else []
    names += [OF_REDIS] if settings.redis_url is None else []
    return {name: int(getattr(settings, name)) for name in names}


def with_free_ports(settings: Settings) -> Settings:
    """The settings with a free port wherever port 0 was asked for."""
    wanted = own_ports(settings)
    taken = set(wanted.values())
    chosen: dict[str, int] = {}
    for name in (name for name, port in wanted.items() if port == 0):
        while (port := free_port()) in taken:
            pass
        taken.add(port)
        chosen[name] = port
    return settings.model_copy(update=chosen)


def check_ports(settings: Settings, patience_seconds: float = 0.0) -> None:
    """Raises StackError for a port that is given to two parts, or not free after so long."""
    wanted = own_ports(settings)
    for name, port in wanted.items():
        others = [other for other in wanted if wanted[other] == port and other != name]
        if others:
            _refuse(others[0], f"port {port} is for {_PURPOSES[name]} already")
    deadline = time.monotonic() + patience_seconds
    for name, port in wanted.items():
        host = settings.api_host if name == OF_API else LOCALHOST
        if not _comes_free(port, host, deadline):
            _refuse(name, f"port {port} for {_PURPOSES[name]} is taken")


def _comes_free(port: int, host: str, deadline: float) -> bool:
    while not is_free(port, host):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
    return True


def _refuse(name: str, problem: str) -> None:
    raise StackError(f"{problem}: choose another by --{name.replace('_', '-')}")
