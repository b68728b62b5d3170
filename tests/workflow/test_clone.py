"""The clone as Snakemake, its profiles and its linters see it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml

JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def clone(copy_clone):
    return copy_clone("clone")


def planned(output: str) -> dict[str, int]:
    jobs = {name: int(count) for name, count in JOBS.findall(output)}
    assert jobs.pop("total") == sum(jobs.values())
    return jobs


def test_both_entry_points_plan_the_same_jobs(clone, snakemake):
    status, output = snakemake(clone, "-n")
    assert status == 0, output
    from_root = planned(output)
    assert from_root.pop("default") == 1
    status, output = snakemake(clone, "-s", "workflow/Snakefile", "-n")
    assert status == 0, output
    direct = planned(output)
    assert direct.pop("all") == 1
    assert from_root == direct
    assert {"plan_bins": 1, "associate_centrality": 3, "test_burden": 3}.items() <= direct.items()
    assert not (clone / "results").exists()
    assert not (clone / "logs").exists()


@pytest.mark.skipif(
    find_spec("snakemake_executor_plugin_slurm") is None, reason="no Slurm plugin is installed"
)
def test_slurm_profile(clone, snakemake):
    status, output = snakemake(clone, "--profile", "slurm", "-n")
    assert status == 0, output
    assert planned(output)["plan_bins"] == 1


def test_profiles(root):
    assert (root / "slurm").is_symlink()
    assert (root / "slurm").readlink().as_posix() == "profiles/slurm"
    profiles = {
        name: yaml.safe_load((root / "profiles" / name / "profile.yaml").read_text())
        for name in ("default", "slurm")
    }
    assert all(profiles.values())
    # Of a key that holds a mapping in both, Snakemake would lose one.
    shared = profiles["default"].keys() & profiles["slurm"].keys()
    assert not [key for key in shared if isinstance(profiles["slurm"][key], dict)]


def test_lint(clone, snakemake):
    status, output = snakemake(clone, "--lint")
    assert status == 0, output
    assert "in a good condition" in output


def test_format(root):
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_library_knows_nothing_of_snakemake(root):
    for path in (root / "workflow" / "scripts" / "popnet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("snakemake")], path
