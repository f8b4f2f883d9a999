"""What a process of the API holds in memory, and what it never loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HEAVY = (
    *("feast", "pandas", "pyarrow", "duckdb", "lightgbm", "sklearn", "scipy", "matplotlib"),
    *("httpx", "requests", "aiohttp", "grpc", "dask", "rich", "psycopg", "hypothesis"),
)
LOADED = """
import sys
import api.cli, api.app
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
SETTLED = """
import gc
from api.memory import settle
settle()
print(gc.get_freeze_count() > 1_000, gc.get_threshold()[0] > 10_000, gc.isenabled())
"""


def said(code: str) -> str:
    """What this code prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return done.stdout.decode()


def test_the_api_imports_nothing_that_only_training_loading_and_archiving_need() -> None:
    loaded = set(said(LOADED).split())
    assert {"fastapi", "numpy", "temporalio"} <= loaded
    assert loaded.isdisjoint(HEAVY), loaded & set(HEAVY)


def test_what_is_loaded_is_set_aside_and_garbage_is_still_collected() -> None:
    assert said(SETTLED).split() == ["True", "True", "True"]
