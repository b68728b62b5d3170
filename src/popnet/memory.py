"""Memory that this process uses."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_memory() -> float:
    """Return the peak of this process's resident set in MB (2^20 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count what a parent had used when it started this process.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    # Bytes on macOS, kilobytes elsewhere.
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
