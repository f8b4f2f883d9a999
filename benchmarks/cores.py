"""Which process runs on which core, and what a process took: the same rule for all contestants."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FEWEST_FOR_TWO = 4
"""Two servers, Redis and the load generator: with fewer cores two processes share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Each server that is measured has one core for itself, whatever it serves; Redis and the load
    generator have the others. Empty sets where nothing can be pinned.
    """

    servers: tuple[frozenset[int], ...]
    others: frozenset[int]


def split(available: frozenset[int] | None = None) -> Cores:
    """How the cores of this machine are shared out.

    >>> split(frozenset({0, 1}))
    Cores(servers=(frozenset({0}),), others=frozenset({1}))
    """
    found = sorted(_available() if available is None else available)
    if len(found) < 2:
        return Cores(servers=(frozenset(),), others=frozenset())
    own = 2 if len(found) >= FEWEST_FOR_TWO else 1
    servers = tuple(frozenset({core}) for core in found[:own])
    return Cores(servers=servers, others=frozenset(found[own:]))


def count() -> int:
    """How many cores there are for us."""
    return len(_available()) or os.cpu_count() or 1


def _available() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


@contextmanager
def only_on(cores: frozenset[int]) -> Generator[None]:
    """What is started within the block runs on these cores; on any where the set is empty."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(process: int) -> float | None:
    """The processor time that a process has taken so far, all its threads; None: it is not told."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Ticks of all cores since this machine began: all of them, and those that its host gave to
    other machines while this one had work to do.
    """

    every: int
    withheld: int

    def withheld_until(self, now: Share) -> float:
        """The share of the processor's time that was withheld between two looks."""
        return (now.withheld - self.withheld) / max(now.every - self.every, 1)


def share() -> Share:
    """As the kernel tells it (`steal` of /proc/stat); nothing where it does not."""
    try:
        ticks = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        ticks = []
    return Share(every=sum(ticks), withheld=ticks[7] if len(ticks) > 7 else 0)


def resident_mib(process: int) -> float | None:
    """The memory that a process holds now; None: it is not told."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    kib = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return kib[0] / 1024 if kib else None
