"""What is measured, as processes: Valkeys with customers, our APIs, apps of this folder."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

from api.ports import LOCALHOST, free_port
from api.processes import Child, Part, import_path, stop, tactful
from api.running import await_ready, make_folders
from api.servers import valkey
from api.settings import PREFIX, load_settings, site
from benchmarks import cores, forests
from benchmarks.population import Known, load_customers
from engine.bundle import load_bundle
from engine.catalog import Bundle
from engine.ledger import Ledger, keys, live, open_ledger
from engine.ledger.archive import archive_stream
from engine.ledger.site import Site
from feature_store.schema import FEATURES

STOP_SECONDS = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A Valkey with an append-only file, and customers in it."""

    site: Site
    port: int
    customers: tuple[Known, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process that answers decisions; `site`: where it records them, if it does."""

    name: str
    port: int
    pid: int
    site: Site | None = None


class Yard:
    """Starts processes in one folder, each on the cores that are its own."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder
        self.say = say
        self.cores = cores.split()
        self.children: list[Child] = []
        self.client = {**_without_settings(), **import_path()}

    def store(self, name: str, bundle: Path, customers: int) -> Store:
        """A new Valkey with so many generated customers, known to hold everything."""
        data_dir = self.folder / name
        settings = load_settings({"data_dir": data_dir, "lapse": None, "bundle": bundle})
        make_folders(data_dir)
        port = free_port()
        with cores.only_on(self.cores.others):
            self.start(valkey(settings, port))
        url = f"redis://{LOCALHOST}:{port}/0"
        place = site(settings.model_copy(update={"redis_url": url}))
        self.say(f"loading {customers} generated customers")
        known = asyncio.run(_load(place, customers))
        return Store(site=place, port=port, customers=known)

    def train(self, store: Store, bundle: Bundle, customers: Sequence[Known]) -> None:
        """Makes models for this bundle's actions, from such customers, current in this store."""
        self.say(f"growing models of {forests.TREES} trees of {forests.LEAVES} leaves")
        known = [(one.customer, one.features) for one in customers]
        forests.register_models(store.site, bundle, known)

    def api(self, name: str, store: Store, *, core: int = 0) -> Server:
        """One process of our API on this store."""
        port = free_port()
        part = Part(
            name=name,
            command=tactful("api", "--api-port", str(port)),
            log=self.folder / f"{name}.log",
            probe=lambda: answers(f"http://{LOCALHOST}:{port}/readyz"),
            environment=self.environment(store.site),
        )
        with cores.only_on(self.cores.servers[core]):
            pid = self.start(part)
        return Server(name=name, port=port, pid=pid, site=store.site)

    def app(self, name: str, store: Store, variables: Mapping[str, str]) -> Server:
        """A FastAPI app of this folder, served as ours is: one process, uvloop and httptools."""
        port = free_port()
        options = ("--host", LOCALHOST, "--port", str(port), "--loop", "uvloop")
        part = Part(
            name=name,
            command=(
                *(sys.executable, "-m", "uvicorn", f"benchmarks.{name}:app", *options),
                *("--http", "httptools", "--no-access-log", "--log-level", "warning"),
            ),
            log=self.folder / f"{name}.log",
            probe=lambda: answers(f"http://{LOCALHOST}:{port}/openapi.json"),
            environment={**self.environment(store.site), **variables},
        )
        with cores.only_on(self.cores.servers[0]):
            return Server(name=name, port=port, pid=self.start(part))

    def end(self, servers: Sequence[Server]) -> None:
        """Ends these servers."""
        pids = {server.pid for server in servers}
        ended = [child for child in self.children if child.pid in pids]
        stop(ended, STOP_SECONDS)
        self.children = [child for child in self.children if child not in ended]

    def environment(self, place: Site) -> Mapping[str, str]:
        """What children see: no settings but those of this run, no proxies."""
        config = self.folder / "tactful.toml"
        config.write_text("")
        told = {
            "CONFIG": config,
            "DATA_DIR": place.data_dir,
            "REDIS_URL": place.redis_url,
            "JOURNAL_URL": place.journal,
            "BUNDLE": place.bundle,
            "TEMPORAL_ADDRESS": f"{LOCALHOST}:{free_port()}",  # nobody there: none is needed
            "LOG_LEVEL": "warning",
        }
        names = {PREFIX + name: str(value) for name, value in told.items()}
        return {**self.client, **names}

    def start(self, part: Part) -> int:
        """Starts a process that ends with the yard, once it is ready; its id."""
        child = Child(part)
        child.start()
        self.children.append(child)
        await_ready(child)
        return cast(int, child.pid)


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


@contextmanager
def open_yard(folder: Path, say: Say) -> Generator[Yard]:
    """Ends every process with the block."""
    yard = Yard(folder, say)
    try:
        yield yard
    finally:
        stop(list(reversed(yard.children)), STOP_SECONDS)


def bundle_of(folder: Path) -> Bundle:
    """A bundle as it is loaded before there are models."""
    return load_bundle(folder, features=FEATURES)


def beside(store: Store, data_dir: Path, bundle: Path) -> Store:
    """The same customers under another bundle: a data directory of its own, for other models."""
    make_folders(data_dir)
    shutil.copy(store.site.data_dir / "customer.key", data_dir)
    place = replace(store.site, data_dir=data_dir, bundle=bundle, journal_url=store.site.journal)
    return replace(store, site=place)


def with_models_of(store: Store, trained: Store) -> None:
    """Takes over the models of another store with the same bundle."""
    shutil.copytree(trained.site.data_dir / "models", store.site.data_dir / "models")


async def _load(place: Site, count: int) -> tuple[Known, ...]:
    known = await load_customers(place, count)
    async with open_ledger(place) as ledger:
        await _mark_reconciled(ledger)
    return known


async def _mark_reconciled(ledger: Ledger) -> None:
    """What the end of a rebuild does: on a new stack there is nothing to put back."""
    run_id = (await live.RUN_ID(ledger.redis, ())).decode()
    claim = secrets.token_hex(8)
    await cast(Awaitable[Any], ledger.redis.set(keys.REBUILDING, claim))
    await live.FINISH_REBUILD(ledger.redis, [keys.MARKER, keys.REBUILDING], [run_id, claim])


async def clear_stream(place: Site) -> int:
    """Archives what was decided, as the reconciler of a stack does all the time; counts it."""
    moved = 0
    async with open_ledger(place) as ledger:
        while batch := await archive_stream(ledger):
            moved += batch
    return moved


def answers(url: str) -> bool:
    """Whether 200 comes back from there."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as reply:
            return int(reply.status) == 200
    except (OSError, HTTPException):
        return False
