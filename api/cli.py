"""The command line: `tactful up`, its parts, and what people do with a stack."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import (
    commands_bundle,
    commands_data,
    commands_holds,
    commands_journeys,
    commands_live,
    commands_look,
    commands_models,
    commands_operate,
    commands_proof,
    commands_query,
    commands_silence,
    commands_simulate,
    commands_skew,
    skeleton,
)
from api.options import (
    ApiPort,
    AsJson,
    DataDir,
    Lapse,
    ReadyFile,
    RedisPort,
    TemporalPort,
    UiPort,
    Webhook,
)
from engine.errors import InvalidBundle, TactfulError

if TYPE_CHECKING:
    from api.running import Running
    from engine.ledger.site import Site

DEMO_LAPSE = 8640.0  # ten seconds a day

app = typer.Typer(
    name="tactful",
    help="What to say to each customer, and when to say nothing.",
    epilog="First steps: `tactful demo --once`, or `tactful up` and `tactful load customers`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The entry point. Exit codes: 0 done, 1 failed, 2 wrong usage."""
    try:
        app(prog_name="tactful")
    except InvalidBundle as error:
        complain(*error.problems)
    except TactfulError as error:
        complain(str(error))
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us left: nothing to say, and nobody to say it to
    else:
        return
    sys.exit(1)


def complain(*lines: str) -> None:
    """Say what is wrong on stderr, one line each."""
    with contextlib.suppress(OSError):
        for line in lines:
            typer.echo(f"tactful: {line}", err=True)


@app.command(
    short_help="Start everything on this machine.",
    epilog="Example: tactful up --data-dir shop --lapse 86400   (a day a second)",
)
def up(
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    temporal_port: TemporalPort = None,
    temporal_ui_port: UiPort = None,
    redis_port: RedisPort = None,
    lapse: Lapse = None,
    webhook: Webhook = None,
    as_json: AsJson = False,
) -> None:
    """Start everything on this machine, in the foreground, until Ctrl-C."""
    from api.settings import load_settings
    from api.stack import run

    settings = load_settings(
        {
            "data_dir": data_dir,
            "api_port": api_port,
            "temporal_port": temporal_port,
            "temporal_ui_port": temporal_ui_port,
            "redis_port": redis_port,
            "lapse": lapse,
            "webhook_url": webhook,
        }
    )
    run(settings, on_ready=_tell_json if as_json else _tell, say=complain)


def _tell_json(running: Running) -> None:
    import json

    sys.stdout.write(json.dumps(running.addresses()) + "\n")
    sys.stdout.flush()


def _tell(running: Running) -> None:
    addresses = running.addresses()
    typer.echo("Tactful is up. Ctrl-C stops it; what it knows stays.")
    typer.echo(f"  API          {running.api}/docs")
    typer.echo(f"  Temporal UI  {running.temporal_ui or 'your own'}")
    typer.echo(f"  Temporal     {running.temporal}")
    typer.echo(f"  Redis        {addresses['redis']}")


@app.command(short_help="Start a stack and tell its story.", epilog="Example: tactful demo --once")
def demo(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            help="Where the stack keeps what it knows."
            " [demo/ in TACTFUL_DATA_DIR, else in .tactful]",
        ),
    ] = None,
    api_port: ApiPort = None,
    temporal_port: TemporalPort = None,
    temporal_ui_port: UiPort = None,
    redis_port: RedisPort = None,
    lapse: Annotated[float, typer.Option(metavar="N", help="The clock's speed.")] = DEMO_LAPSE,
    once: Annotated[bool, typer.Option("--once", help="Stop after the story.")] = False,
) -> None:
    """Start a stack with example customers and trained models, and tell its story."""
    from api.demo import run
    from api.running import at_running_stack
    from api.settings import load_settings
    from api.stack import stack_of, wait_for_stop

    folder = data_dir or load_settings().data_dir / "demo"
    ports = {
        "--api-port": api_port,
        "--temporal-port": temporal_port,
        "--temporal-ui-port": temporal_ui_port,
        "--redis-port": redis_port,
    }
    given = [word for name, port in ports.items() if port is not None for word in (name, str(port))]
    with stack_of("--data-dir", str(folder), "--lapse", f"{lapse:g}", *given):
        story = run(at_running_stack(load_settings({"data_dir": folder})))
        if once:
            typer.echo("\nThe end. Without --once the stack stays up to look around.")
        else:
            story.invite()
            wait_for_stop()


commands_live.add_to(app)
commands_look.add_to(app)
for each in (commands_operate, commands_journeys, skeleton):
    each.add_to(commands_look.journeys_app)
commands_data.add_to(app)
commands_models.add_to(app)
commands_bundle.add_to(app)
commands_holds.add_to(app)
commands_proof.add_to(app)
commands_query.add_to(app)
commands_simulate.add_to(app)
commands_silence.add_to(app)
commands_skew.add_to(commands_models.models_app)


@app.command(short_help="Print what is in force and where it came from.")
def config(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print what is in force and where it came from, secrets masked."""
    from api.config import in_force

    lines = in_force({"data_dir": data_dir})
    if as_json:
        import json

        typer.echo(
            json.dumps({line.name: {"value": line.value, "from": line.origin} for line in lines})
        )
        return
    for line in lines:
        typer.echo(f"{line.name:<20} {line.value!s:<40} {line.origin}")


@app.command(short_help="Run the HTTP API alone.")
def api(data_dir: DataDir = None, api_port: ApiPort = None) -> None:
    """Run the HTTP API alone, on the Redis and Temporal of the settings."""
    from api.app import serve
    from api.logs import log_to_stderr
    from api.running import at_running_stack
    from api.settings import load_settings

    settings = load_settings({"data_dir": data_dir, "api_port": api_port})
    log_to_stderr(settings.log_level)
    serve(at_running_stack(settings))


@app.command(short_help="Run one worker alone: the journeys.")
def worker(data_dir: DataDir = None, ready_file: ReadyFile = None) -> None:
    """Run one worker alone: the journeys and what they do."""
    from workflows.worker import run

    _run_until_stopped(run(_site_of_a_part(data_dir), _tell_file(ready_file)))


@app.command(short_help="Run the reconciler alone.")
def reconciler(data_dir: DataDir = None, ready_file: ReadyFile = None) -> None:
    """Run the reconciler alone: it keeps holds and journeys in step, and delivers what waits."""
    from workflows.reconciler import run

    _run_until_stopped(run(_site_of_a_part(data_dir), _tell_file(ready_file)))


def _run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run it; SIGTERM and SIGINT cancel it unless it has handlers of its own."""
    import asyncio
    import signal

    async def run() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def _site_of_a_part(data_dir: Path | None) -> Site:
    from api.logs import log_to_stderr
    from api.running import at_running_stack
    from api.settings import load_settings, site

    settings = load_settings({"data_dir": data_dir})
    log_to_stderr(settings.log_level)
    return site(at_running_stack(settings))


def _tell_file(path: Path | None) -> Callable[[], None]:
    return path.touch if path else lambda: None


if __name__ == "__main__":
    main()
