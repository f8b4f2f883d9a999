"""What a process keeps in memory: settings of the garbage collector, and what goes back."""

from __future__ import annotations

import ctypes
import gc
import sys

YOUNG, MIDDLE, OLD = 50_000, 20, 100
"""A young collection after so many new containers; the others after so many of the one before."""


def settle() -> None:
    """Called once everything is loaded: what is there now stays, and is not looked at again.

    Without it the collector goes through bundle, models and modules again and again, and finds
    nothing: a decision leaves hardly any cycles behind. What loading needed goes back to the
    system.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim is not None:
            trim(0)
