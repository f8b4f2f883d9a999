"""Where trained models are kept: a folder an artefact, named by its content, and which is current.

models/<name>/<sha256>/model.txt, artefact.json
models/<name>/current.json
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from engine.errors import InvalidModel
from engine.ledger.site import Site
from models.artefact import Artefact, content_hash, read_artefact

CURRENT = "current.json"
TOLERANCE = 0.002
"""How much worse the log loss of a new model may be on the same rows before the gate stops it."""


def folder(site: Site, name: str) -> Path:
    """Where the artefacts of a model are."""
    return site.data_dir / "models" / name


class Kept(Protocol):
    """What can be kept: two files, of which `model` is text, named by what they hold."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    def facts(self) -> bytes: ...

    def hash(self) -> str: ...


K = TypeVar("K", bound=Kept)


def register(site: Site, artefact: Kept) -> str:
    """Keeps an artefact and returns its hash. The same artefact twice is kept once."""
    name = artefact.hash()
    kept = place(site, artefact.name, name)
    if kept.exists():
        return name
    temporary = kept.with_name(f".{secrets.token_hex(6)}")
    temporary.mkdir(parents=True)
    (temporary / "model.txt").write_bytes(artefact.model.encode())
    (temporary / "artefact.json").write_bytes(artefact.facts())
    try:
        temporary.rename(kept)
    except OSError:  # another process kept the same content first
        shutil.rmtree(temporary)
    return name


def load(site: Site, name: str, artefact_hash: str) -> Artefact:
    """An artefact by its hash. Raises InvalidModel when it is missing or its bytes have changed."""
    return read_artefact(*files(site, name, artefact_hash))


def files(site: Site, name: str, artefact_hash: str) -> tuple[bytes, bytes]:
    """What is kept by a hash. Raises InvalidModel when it is missing or its bytes have changed."""
    kept = place(site, name, artefact_hash)
    try:
        facts = (kept / "artefact.json").read_bytes()
        model = (kept / "model.txt").read_bytes()
    except OSError as error:
        raise InvalidModel(f"model {name} {artefact_hash} can't be read: {error}") from error
    found = content_hash(facts, model)
    if found != artefact_hash:
        raise InvalidModel(f"model {name} {artefact_hash} is damaged: its content is {found}")
    return facts, model


def models_kept(site: Site) -> list[str]:
    """The names of all models that were ever kept, in use or not."""
    root = site.data_dir / "models"
    return sorted(path.name for path in root.glob("*") if path.is_dir())


def full_hash(site: Site, name: str, begins: str) -> str:
    """The hash of the one artefact that begins so. Raises InvalidModel for none or several."""
    wanted = begins.removeprefix("sha256:")
    kept = folder(site, name).glob("*")
    found = [path.name for path in kept if path.is_dir() and path.name.startswith(wanted)]
    if len(found) != 1 or not wanted or found[0].startswith("."):
        raise InvalidModel(f"{len(found)} kept {name} models begin with {begins!r}: one must")
    return f"sha256:{found[0]}"


def current(site: Site) -> dict[str, str]:
    """The hash of the current artefact of every model that has one."""
    root = site.data_dir / "models"
    names = sorted(path.parent.name for path in root.glob(f"*/{CURRENT}"))
    return {name: found for name in names if (found := current_hash(site, name))}


def current_hash(site: Site, name: str) -> str | None:
    """The hash of a model's current artefact. Raises InvalidModel when the pointer is damaged."""
    found = _pointer(site, name)
    return None if found is None else str(found["artefact"])


def before_current(site: Site, name: str) -> str | None:
    """The hash of what was in use before. Raises InvalidModel when the pointer is damaged."""
    found = _pointer(site, name)
    return None if found is None else found.get("before")


def _pointer(site: Site, name: str) -> dict[str, Any] | None:
    try:
        raw = (folder(site, name) / CURRENT).read_bytes()
    except FileNotFoundError:
        return None
    try:
        found: dict[str, Any] = json.loads(raw)
        return {**found, "artefact": found["artefact"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidModel(f"{name}/{CURRENT} is damaged: train again, or restore it") from error


def promote(
    site: Site,
    artefact: K,
    loss: Callable[[K], float] | None = None,
    *,
    read: Callable[[bytes, bytes], K] = read_artefact,
    measured: str = "log loss",
    tolerance: float = TOLERANCE,
) -> tuple[bool, str]:
    """Makes an artefact the current one if it passes the gate; whether it did, and why.

    `loss` is measured for it and for the one in use, on the same rows; without it there is no gate.
    A current artefact that can't be loaded or measured gives way.
    """
    name = register(site, artefact)
    passed, because = True, "no gate asked for"
    try:
        before = current_hash(site, artefact.name)
        if before is None:
            because = "the first one"
        elif before == name:
            because = "the same as the current one"
        elif loss is not None:
            kept, new = loss(read(*files(site, artefact.name, before))), loss(artefact)
            passed = new <= kept + tolerance
            verdict = "not worse than" if passed else "worse than"
            because = (
                f"{measured} {new:.4f}, {verdict} {kept:.4f} of the current one on the same rows"
            )
    except InvalidModel as error:
        because = f"the current one is unusable ({error})"
    if passed:
        point(site, artefact.name, name)
    return passed, because


def point(site: Site, name: str, artefact_hash: str) -> None:
    """Makes an artefact the current one; the one before is remembered in case it can't be used."""
    try:
        before = current_hash(site, name)
    except InvalidModel:
        before = None
    if before == artefact_hash:
        before = before_current(site, name)
    pointer = {
        "artefact": artefact_hash,
        "promoted_at": site.clock.now().isoformat(),
        "before": before,
    }
    temporary = folder(site, name) / f".{secrets.token_hex(6)}"
    temporary.write_text(json.dumps(pointer) + "\n")
    os.replace(temporary, folder(site, name) / CURRENT)


def place(site: Site, name: str, artefact_hash: str) -> Path:
    """The folder of one artefact. Raises InvalidModel for what is no hash."""
    digest = artefact_hash.removeprefix("sha256:")
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise InvalidModel(f"{artefact_hash!r} is no artefact hash: sha256:<64 hex digits> is")
    return folder(site, name) / digest
