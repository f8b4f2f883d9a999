"""`tactful up`: every part of a stack on this machine, started, watched, restarted and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from api.ports import check_ports, with_free_ports
from api.processes import Child, Part, die_with_parent, import_path, stop, tactful
from api.running import (
    START_SECONDS,
    STOP_SECONDS,
    Running,
    announce,
    check_starting,
    end_leftovers,
    locked,
    withdraw,
)
from api.servers import (
    keep_closed_journeys,
    own_parts,
    own_servers,
    redis_answers,
    temporal_answers,
)
from api.settings import Settings, site, without_password
from api.watch import Say, Watched
from engine.errors import StackError

LOOK_SECONDS = 0.1
REACH_SECONDS = 15.0
KILLED_PATIENCE_SECONDS = 5.0
STOP_ORDER = (("api", "reconciler", "worker"), ("temporal",), ("redis",))
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Parts = Callable[[Settings], list[Part]]


class Interrupted(Exception):
    """Somebody asked the stack to stop while it was starting."""


class Stack:
    """All parts of one stack. `say` gets lines for the operator."""

    def __init__(self, settings: Settings, say: Say, parts: Parts | None = None) -> None:
        # an address of the API is for commands that talk to a stack, not for the stack itself
        self.settings = with_free_ports(settings.model_copy(update={"api_url": None}))
        self._say = say
        self._parts = parts or own_parts
        self._watched: list[Watched] = []
        self._asked_to_stop = False

    def ask_to_stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End `start` or `watch` soon; safe to call from a signal handler."""
        self._asked_to_stop = True

    def start(self) -> Running:
        """Start every part and wait until each is ready. Raises StackError or Interrupted."""
        settings = self.settings
        site(settings)  # makes the clock and the key, and refuses another lapse
        servers = own_servers(settings)
        was_killed = end_leftovers(settings.data_dir)
        check_ports(settings, KILLED_PATIENCE_SECONDS if was_killed else 0.0)
        self._start(servers)
        if settings.temporal_address is None:
            keep_closed_journeys(settings)
        self._reach_what_is_not_ours()
        self._start(self._parts(settings))
        return self._announce()

    def watch(self) -> None:
        """Restart what dies, until asked to stop."""
        while not self._asked_to_stop:
            restarted = [watched.look_after(self._say) for watched in self._watched]
            if any(restarted):
                self._announce()
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Stop what decides and sends before what it stands on."""
        withdraw(self.settings.data_dir)
        for names in STOP_ORDER:
            stop([one.child for one in self._watched if one.name in names], STOP_SECONDS)

    def _start(self, parts: list[Part]) -> None:
        children = [Child(part) for part in parts]
        for child in children:
            child.start()
            self._watched.append(Watched(child))
        self._await(children)

    def _await(self, children: list[Child]) -> None:
        deadline = time.monotonic() + START_SECONDS
        waiting = children
        while waiting:
            self._stop_if_asked()
            for child in waiting:
                check_starting(child, deadline)
            waiting = [child for child in waiting if not child.ready()]
            time.sleep(0.02)

    def _stop_if_asked(self) -> None:
        if self._asked_to_stop:
            raise Interrupted

    def _reach_what_is_not_ours(self) -> None:
        settings = self.settings
        if settings.redis_url:
            place = without_password(settings.redis_url)
            self._reach(f"Redis at {place}", lambda: redis_answers(settings.redis))
        if settings.temporal_address:
            place = f"{settings.temporal_address}, namespace {settings.temporal_namespace}"
            self._reach(f"Temporal at {place}", lambda: temporal_answers(settings))

    def _reach(self, what: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + REACH_SECONDS
        while not answers():
            self._stop_if_asked()
            if time.monotonic() > deadline:
                raise StackError(f"{what} does not answer")
            time.sleep(0.2)
        self._say(f"using {what}")

    def _announce(self) -> Running:
        settings = self.settings
        running = Running(
            pid=os.getpid(),
            api=settings.api,
            temporal=settings.temporal,
            temporal_ui=settings.ui,
            redis_url=settings.redis,
            parts={one.name: one.child.pid or 0 for one in self._watched},
        )
        announce(settings.data_dir, running)
        return running


def run(
    settings: Settings,
    on_ready: Callable[[Running], None],
    say: Say,
    parts: Parts | None = None,
) -> None:
    """Run a stack in the foreground until SIGINT, SIGTERM or SIGHUP."""
    with locked(settings.data_dir, "tactful up"):
        stack = Stack(settings, say, parts)
        for one in STOP_SIGNALS:
            signal.signal(one, stack.ask_to_stop)
        try:
            on_ready(stack.start())
            stack.watch()
        except Interrupted:
            say("stopped while starting")
        finally:
            stack.stop()


def wait_for_stop() -> None:
    """Wait for SIGINT, SIGTERM or SIGHUP; whoever waits goes on to stop what it started."""
    asked = threading.Event()  # not sigwait: a thread of a library would take the signal instead

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    for one in STOP_SIGNALS:
        signal.signal(one, ask)
    asked.wait()


@contextmanager
def stack_of(*options: str, cwd: Path | None = None) -> Generator[Mapping[str, str]]:
    """A stack in a process of its own, `tactful up --json` with these options; its addresses.

    Raises StackError when it does not come up; it said why on stderr.
    """
    process = subprocess.Popen(
        tactful("up", "--json", *options),
        stdout=subprocess.PIPE,
        env={**os.environ, **import_path()},
        cwd=cwd,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise StackError("the stack did not start")
            yield json.loads(line)
        finally:
            process.terminate()
            process.wait()
