"""What is measured: Valkey, one process of our API, the empty route, the tutorials' stack."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

from api.ports import LOCALHOST, free_port
from api.processes import Child, Part, import_path, stop, tactful
from api.running import await_ready, make_folders
from api.servers import valkey
from api.settings import PREFIX, load_settings, site
from benchmarks import forests, tutorial_features
from benchmarks.population import Known, load_customers
from engine.bundle import load_bundle
from engine.catalog import Bundle
from engine.errors import StackError
from engine.ledger import Ledger, keys, live, open_ledger
from engine.ledger.archive import archive_stream
from engine.ledger.site import Site
from feature_store.schema import FEATURES
from models.dataset import encoded, feature_columns

CHANNEL = "web"
FEWEST_CANDIDATES = 24
STOP_SECONDS = 10.0
SEED = 5
PAGES = ("billing", "plans", "help", "tv", "home")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where everything is. `ports` by contestant; `candidates`: actions that the web may show."""

    site: Site
    redis_port: int
    customers: tuple[Known, ...]
    candidates: int
    bundle: Bundle
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    folder: Path


@contextmanager
def open_stack(folder: Path, customers: int, say: Say) -> Generator[Stack]:
    """Starts, loads and trains everything in this folder; ends every process with the block."""
    settings = load_settings({"data_dir": folder / "data", "lapse": None})
    make_folders(settings.data_dir)
    redis_port = free_port()
    children = [Child(valkey(settings, redis_port))]
    try:
        _start(children)
        url = f"redis://{LOCALHOST}:{redis_port}/0"
        place = site(settings.model_copy(update={"redis_url": url}))
        stack = asyncio.run(_load(place, redis_port, customers, folder, say))
        tutorial = _teach_tutorial(stack, say)
        say("starting our API, the empty route and the tutorials' stack")
        servers = [
            Child(_api(stack)),
            Child(_app(stack, "empty_route", {})),
            Child(_app(stack, "tutorial_stack", tutorial)),
        ]
        children += servers
        _start(servers)
        yield stack
    finally:
        stop(list(reversed(children)), STOP_SECONDS)


def _start(children: Sequence[Child]) -> None:
    for child in children:
        child.start()
    for child in children:
        await_ready(child)


async def _load(place: Site, redis_port: int, count: int, folder: Path, say: Say) -> Stack:
    bundle = load_bundle(place.bundle, features=FEATURES)
    candidates = sum(_shown(action) for action in bundle.actions.values())
    if candidates < FEWEST_CANDIDATES:
        raise StackError(f"{candidates} actions for {CHANNEL}, {FEWEST_CANDIDATES} are needed")
    say(f"loading {count} generated customers")
    known = await load_customers(place, count)
    async with open_ledger(place) as ledger:
        await _mark_reconciled(ledger)
    say(f"growing models of {forests.TREES} trees of {forests.LEAVES} leaves")
    forests.register_models(place, bundle, [(one.customer, one.features) for one in known])
    return Stack(
        site=place,
        redis_port=redis_port,
        customers=known,
        candidates=candidates,
        bundle=bundle,
        ports={name: free_port() for name in ("tactful", "empty_route", "tutorial_stack")},
        environment=_environment(place, folder),
        folder=folder,
    )


def _shown(action: Any) -> bool:
    return not action.only_for_journeys and any(
        treatment.channel == CHANNEL for treatment in action.treatments
    )


async def _mark_reconciled(ledger: Ledger) -> None:
    """What the end of a rebuild does: on a new stack there is nothing to put back."""
    run_id = (await live.RUN_ID(ledger.redis, ())).decode()
    claim = secrets.token_hex(8)
    await cast(Awaitable[Any], ledger.redis.set(keys.REBUILDING, claim))
    await live.FINISH_REBUILD(ledger.redis, [keys.MARKER, keys.REBUILDING], [run_id, claim])


def _environment(place: Site, folder: Path) -> Mapping[str, str]:
    """What children see: no settings but those of this run, no proxies."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    (folder / "tactful.toml").write_text("")
    told = {
        "CONFIG": folder / "tactful.toml",
        "DATA_DIR": place.data_dir,
        "REDIS_URL": place.redis_url,
        "TEMPORAL_ADDRESS": f"{LOCALHOST}:{free_port()}",  # nobody there: decisions need none
        "LOG_LEVEL": "warning",
    }
    return {**own, **import_path(), **{PREFIX + name: str(value) for name, value in told.items()}}


def _api(stack: Stack) -> Part:
    port = stack.ports["tactful"]
    return Part(
        name="tactful",
        command=tactful("api", "--api-port", str(port)),
        log=stack.folder / "tactful.log",
        probe=lambda: answers(f"http://{LOCALHOST}:{port}/readyz"),
        environment=stack.environment,
    )


def _app(stack: Stack, name: str, variables: Mapping[str, str]) -> Part:
    """A FastAPI app of this folder, served as ours is: one process, uvloop and httptools."""
    port = stack.ports[name]
    options = ["--host", LOCALHOST, "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    return Part(
        name=name,
        command=(
            *(sys.executable, "-m", "uvicorn", f"benchmarks.{name}:app", *options),
            *("--no-access-log", "--log-level", "warning"),
        ),
        log=stack.folder / f"{name}.log",
        probe=lambda: answers(f"http://{LOCALHOST}:{port}/openapi.json"),
        environment={**stack.environment, **variables},
    )


def answers(url: str) -> bool:
    """Whether 200 comes back from there."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as reply:
            return int(reply.status) == 200
    except (OSError, HTTPException):
        return False


def _teach_tutorial(stack: Stack, say: Say) -> Mapping[str, str]:
    """The Feast repository and the model of the tutorials' stack; the variables that name them."""
    import numpy as np

    say("writing the same customers for the tutorials' stack, by the Feast SDK")
    folder, model = stack.folder / "tutorial", stack.folder / "tutorial.txt"
    columns = feature_columns([one.features for one in stack.customers])
    values = tutorial_features.numbers(encoded(columns, [one.features for one in stack.customers]))
    names = [one.external_id for one in stack.customers]
    tutorial_features.build(folder, f"{LOCALHOST}:{stack.redis_port}", names, values)
    draw = np.random.default_rng(SEED)
    offered = draw.normal(size=(len(values), tutorial_features.ACTION_FEATURES))
    model.write_text(forests.grow(np.hstack([values, offered]), draw.random(len(values)) < 0.3))
    return {
        tutorial_features.FOLDER_VARIABLE: str(folder),
        tutorial_features.MODEL_VARIABLE: str(model),
    }


async def clear_stream(place: Site) -> int:
    """Archives what was decided, as the reconciler of a stack does all the time; counts it."""
    moved = 0
    async with open_ledger(place) as ledger:
        while batch := await archive_stream(ledger):
            moved += batch
    return moved
