"""Workers beside that of a stack, and somebody who kills them all the time."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from api.processes import import_path, tactful
from tests.support.evidence import Kill
from tests.support.nursery import Nursery, is_alive
from tests.support.outside import Outside

WORKERS = (1, 2)
PAUSE_SECONDS = (4.0, 8.0)
ALL_PERCENT = 10
OWN_PERCENT = 10
"""How often all are killed at once, and how often the one that the stack itself looks after."""


class Crew:
    """Two more workers of a stack: started again at once, while the stack takes its time."""

    def __init__(self, stack: Outside, webhook: str, build: str) -> None:
        self._stack = stack
        self._webhook = webhook
        self._dice = random.Random(7)
        self._builds: dict[int, str] = dict.fromkeys(WORKERS, build)
        self._pids: dict[int, int] = {}
        self.kills: list[Kill] = []
        self.calm = threading.Event()

    def run(self, nursery: Nursery) -> None:
        """Kill one every few seconds, now and then all, until calm."""
        self._bring_back(nursery)
        while not self.calm.wait(self._dice.uniform(*PAUSE_SECONDS)):
            drawn = self._dice.random() * 100
            if drawn < ALL_PERCENT + OWN_PERCENT:
                self._kill_that_of_the_stack()
            if drawn < ALL_PERCENT:
                self._kill(*WORKERS)
            elif drawn >= ALL_PERCENT + OWN_PERCENT:
                self._kill(self._dice.choice(WORKERS))
            self._bring_back(nursery)

    def change(self, number: int, build: str) -> None:
        """From its next start on, one of them is a worker of this build."""
        self._builds[number] = build

    def _kill_that_of_the_stack(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._stack.kill("worker")
            self.kills.append(Kill(at=time.time(), who="the stack's"))

    def _kill(self, *numbers: int) -> None:
        for number in numbers:
            if self._ready_file(number).exists() and number in self._pids:
                os.kill(self._pids.pop(number), signal.SIGKILL)
                self.kills.append(Kill(at=time.time(), who=f"worker {number}"))

    def _bring_back(self, nursery: Nursery) -> None:
        for number in WORKERS:
            if number not in self._pids or not is_alive(self._pids[number]):
                self._pids[number] = nursery.worker(
                    self._stack.data_dir / "logs" / f"worker-{number}.log",
                    self._stack.data_dir,
                    self._ready_file(number),
                    TACTFUL_WEBHOOK_URL=self._webhook,
                    TACTFUL_WORKER_BUILD=self._builds[number],
                )

    def _ready_file(self, number: int) -> Path:
        return self._stack.data_dir / "run" / f"worker-{number}.ready"


@contextmanager
def crew(stack: Outside, webhook: str, build: str) -> Generator[Crew]:
    """A crew that is being killed until it is told to be calm, and works until the block ends."""
    one, over = Crew(stack, webhook, build), threading.Event()

    def live() -> None:  # in one thread: the kernel ends children with the thread that made them
        nursery = Nursery()
        try:
            one.run(nursery)
            over.wait()
        finally:
            nursery.close()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield one
    finally:
        one.calm.set()
        over.set()
        thread.join()


def deploy(data_dir: Path, build: str) -> None:
    """Let new journeys begin on this build, and the others move there when they can."""
    subprocess.run(
        tactful("journeys", "deploy", build, "--data-dir", str(data_dir)),
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **import_path()},
    )
