"""What the benchmarks share: a call measured in a process of its own, and the machine described.

Imported before numerical libraries, it keeps them on one thread, and finds the package in the
clone.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
os.environ |= dict.fromkeys(THREADS, "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from popnet.memory import peak_memory  # noqa: E402


class Measured(NamedTuple):
    """What a call returned and needed.

    Parameters
    ----------
    value : object
    seconds, cpu_seconds : float
    start_mb, peak_mb : float
        Resident set of the process before the call, and its peak until the end of it.
    """

    value: Any
    seconds: float
    cpu_seconds: float
    start_mb: float
    peak_mb: float

    @property
    def added_mb(self) -> float:
        """Memory that the call added at its peak."""
        return self.peak_mb - self.start_mb


def measure(function: Callable[..., Any], *arguments: Any) -> Measured:
    """Call a function of a module in a new process with one thread; return what it needed.

    To compare two sides, measure them in turns in one run of one script.
    """
    return in_child(timed, function, *arguments)


def in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a module returns in a new process, of which no memory stays."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def timed(function: Callable[..., Any], *arguments: Any, **options: Any) -> Measured:
    """Call a function in this process, whose peak of memory so far is forgotten (Linux only)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_memory()
    start, begin = time.perf_counter(), time.process_time()
    value = function(*arguments, **options)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - begin
    return Measured(value, seconds, cpu_seconds, before, peak_memory())


def machine() -> str:
    """Return the processor, the number of its cores and the load, to be printed above figures."""
    processor = Path("/proc/cpuinfo").read_text().split("model name\t: ")[1].splitlines()[0]
    return f"{processor}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start"
