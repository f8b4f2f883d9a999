"""A stack as `tactful up --json` runs it, but its parts only sleep: the real servers, fast.

python tests/api/stand_in.py DATA_DIR API_PORT TEMPORAL_PORT UI_PORT REDIS_PORT [PART'S CODE]
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from api.processes import Part
from api.running import Running
from api.settings import Settings, load_settings
from api.stack import run
from engine.errors import TactfulError

SLEEP = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


def sleeping_parts(settings: Settings) -> list[Part]:
    """One part that is ready at once, and one that runs the code that the test gave."""
    code = sys.argv[6] if len(sys.argv) > 6 else SLEEP
    return [_part(settings, "reconciler", SLEEP), _part(settings, "worker", code)]


def _part(settings: Settings, name: str, code: str) -> Part:
    ready = settings.data_dir / "run" / f"{name}.ready"
    log = settings.data_dir / "logs" / f"{name}.log"
    command = (sys.executable, "-c", code, str(ready))
    return Part(name=name, command=command, log=log, ready_file=ready)


def tell(running: Running) -> None:
    """The line that `tactful up --json` prints."""
    sys.stdout.write(json.dumps(running.addresses()) + "\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """What the operator reads."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"tactful: {line}\n")


def main() -> None:
    """Run the stack; exit code 1 and one line when it can't be."""
    names = ("api_port", "temporal_port", "temporal_ui_port", "redis_port")
    ports = dict(zip(names, sys.argv[2:6], strict=True))
    try:
        run(load_settings({"data_dir": Path(sys.argv[1]), **ports}), tell, say, sleeping_parts)
    except TactfulError as error:
        say(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
