"""A stack to measure journeys on: the real servers, a worker with the walks, API, reconciler."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from api.ports import LOCALHOST, free_port
from api.processes import Part, tactful
from api.servers import temporal
from api.settings import PREFIX, load_settings
from benchmarks.cores import Cores
from benchmarks.population import Known
from benchmarks.stack import Yard, answers
from engine.ledger.site import Site

WORKER = "walk-worker"


@dataclass(slots=True, kw_only=True)
class JourneyStack:
    """All parts of a stack, each of which can be ended by itself."""

    yard: Yard
    site: Site
    customers: tuple[Known, ...]
    pids: dict[str, int] = field(default_factory=dict[str, int])

    def start_worker(self) -> None:
        """One worker."""
        ready = self.site.data_dir / "run" / "walk-worker.ready"
        ready.unlink(missing_ok=True)
        self._part(WORKER, (sys.executable, "-m", "benchmarks.walk_worker", str(ready)), ready)

    def kill_worker(self) -> None:
        """It dies as a process that lost its machine."""
        with suppress(ProcessLookupError):
            os.kill(self.pids.pop(WORKER), signal.SIGKILL)

    def start_reconciler(self) -> None:
        """The reconciler."""
        ready = self.site.data_dir / "run" / "reconciler.ready"
        self._part("reconciler", tactful("reconciler", "--ready-file", str(ready)), ready)

    def start_api(self) -> str:
        """One process of the API, and its address."""
        port = free_port()
        address = f"http://{LOCALHOST}:{port}"
        self.pids["api"] = self.yard.start(
            Part(
                name="api",
                command=tactful("api", "--api-port", str(port)),
                log=self.yard.folder / "api.log",
                probe=lambda: answers(f"{address}/readyz"),
                environment=self._environment(),
            )
        )
        return address

    def _part(self, name: str, command: tuple[str, ...], ready: Path) -> None:
        part = Part(
            name=name,
            command=command,
            log=self.yard.folder / f"{name}.log",
            ready_file=ready,
            behind=True,
            environment=self._environment(),
        )
        self.pids[name] = self.yard.start(part)

    def _environment(self) -> Mapping[str, str]:
        address = {PREFIX + "TEMPORAL_ADDRESS": self.site.temporal_address}
        return {**self.yard.environment(self.site), **address}


def open_stack(yard: Yard, bundle: Path, customers: int) -> JourneyStack:
    """Valkey and Temporal as `tactful up` starts them, and customers; nothing is pinned."""
    yard.cores = Cores(servers=(frozenset(),), others=frozenset())
    store = yard.store("journeys", bundle, customers)
    ports = {"temporal_port": free_port(), "temporal_ui_port": free_port()}
    settings = load_settings({"data_dir": store.site.data_dir, "lapse": None, **ports})
    pid = yard.start(temporal(settings))
    place = replace(store.site, temporal_address=settings.temporal)
    stack = JourneyStack(yard=yard, site=place, customers=store.customers)
    stack.pids["temporal"] = pid
    return stack
