"""The bundle in force: read again when files or models change, the last good one kept."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from engine.bundle import bundle_from_source, files_of, load_bundle
from engine.catalog import Bundle
from engine.errors import InvalidBundle, UnknownBundle

_log = logging.getLogger(__name__)
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class BundleInForce:
    """Calling it gives the bundle; `refresh`, called twice a second, picks up changes.

    Every bundle that was in force once is kept in `archive`, for decisions to be run again under.
    `features` and `pushed` are what `load_bundle` asks for.
    """

    def __init__(
        self,
        folder: Path,
        archive: Path,
        models: Callable[[], Mapping[str, str]],
        features: Collection[str],
        pushed: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._archive = archive
        self._models = models
        self._features = features
        self._pushed = pushed
        self._stamp = self._now()
        self._bundle = self._keep(self._read())
        self.problems: tuple[str, ...] = ()

    def __call__(self) -> Bundle:
        """The bundle in force."""
        return self._bundle

    def refresh(self) -> bool:
        """Loads what changed; True if another bundle is in force now.

        A broken one changes nothing, and is reported once. Nor do files that change while they are
        read: what was read of them may be half of two bundles.
        """
        stamp = self._now()
        if stamp in (self._stamp, None):
            return False
        before = self._bundle.hash
        try:
            bundle, problems = self._read(), tuple[str, ...]()
        except InvalidBundle as error:
            bundle, problems = self._bundle, tuple(error.problems)
        if self._now() != stamp:
            return False
        self._keep(bundle)
        self._bundle = bundle
        self._report(before, problems)
        self.problems = problems
        self._stamp = stamp  # not before: what failed for another reason is tried again
        return bundle.hash != before

    def _report(self, before: str, problems: tuple[str, ...]) -> None:
        if problems and problems != self.problems:
            told = "; ".join(problems)
            _log.error("the changed bundle is broken, %s stays in force: %s", before, told)
        elif self._bundle.hash != before:
            _log.info("the bundle %s is in force now, after %s", self._bundle.hash, before)

    def _read(self) -> Bundle:
        return load_bundle(
            self._folder, models=self._models(), features=self._features, pushed=self._pushed
        )

    def _keep(self, bundle: Bundle) -> Bundle:
        self._archive.mkdir(parents=True, exist_ok=True)
        kept = _file(self._archive, bundle.hash)
        if not kept.exists():
            temporary = kept.with_suffix(".part")
            temporary.write_bytes(bundle.source)
            temporary.replace(kept)
        return bundle

    def _now(self) -> object:
        try:
            stamps = tuple(
                (str(file), file.stat().st_mtime_ns, file.stat().st_size)
                for file in files_of(self._folder)
            )
        except OSError:  # an editor is replacing a file: look again at the next call
            return None
        return stamps, tuple(sorted(self._models().items()))


def archived_bundle(archive: Path, bundle_hash: str) -> Bundle:
    """A bundle that was in force at some time. Raises UnknownBundle, also for a damaged one."""
    if not _HASH.fullmatch(bundle_hash):
        raise UnknownBundle(
            f"{bundle_hash!r} is no name of a bundle: sha256: and 64 hexadecimal digits, or current"
        )
    kept = _file(archive, bundle_hash)
    try:
        source = kept.read_bytes()
    except OSError:
        raise UnknownBundle(f"no bundle {bundle_hash} was ever in force here") from None
    if f"sha256:{hashlib.sha256(source).hexdigest()}" != bundle_hash:
        raise UnknownBundle(f"the kept bundle {bundle_hash} has been changed: {kept.name}")
    return bundle_from_source(source)


def _file(archive: Path, bundle_hash: str) -> Path:
    return archive / f"{bundle_hash.replace(':', '-')}.json"
