"""How long it takes until Snakemake and the script of a job have imported what they need.

    python benchmarks/start_up.py

Prints a tab-separated table of CPU seconds: Snakemake by itself, a list of the rules (the workflow
is parsed, as every job on a cluster does), a dry-run of the demo, and the imports of every script.
"""

from __future__ import annotations

import argparse
import ast
import resource
import subprocess
import sys
from pathlib import Path

from measuring import ROOT, machine

SCRIPTS = ROOT / "workflow" / "scripts"
SNAKEMAKE = ["-m", "snakemake"]


def cpu_seconds(arguments: list[str]) -> float:
    """Return the CPU seconds of Python with these arguments, in the folder of the clone."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imports(script: Path) -> list[str]:
    """Return the arguments with which Python does what a script imports, and no more."""
    body = ast.parse(script.read_text()).body
    statements = [
        ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    paths = [str(SCRIPTS), str(ROOT / "src")]
    return ["-c", "\n".join([f"import sys\nsys.path[:0] = {paths}", *statements])]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="the least of so many is printed")
    repeats = parser.parse_args().repeats
    print(f"# {machine()}")
    starts = {
        "Snakemake": [*SNAKEMAKE, "--version"],
        "list of rules": [*SNAKEMAKE, "--list-rules"],
        "dry-run of the demo": [*SNAKEMAKE, "--dry-run", "--quiet", "all"],
    }
    starts |= {path.stem: imports(path) for path in sorted(SCRIPTS.glob("*/*.py"))}
    for name, arguments in starts.items():
        seconds = min(cpu_seconds(arguments) for _ in range(repeats))
        print(f"{name}\t{seconds:.2f}", flush=True)


if __name__ == "__main__":
    main()
