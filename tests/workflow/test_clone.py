"""The clone as Snakemake, its profiles and its linters see it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml


def test_both_entry_points_plan_the_same_jobs(clone, plan):
    from_root = plan(clone)
    direct = plan(clone, "-s", "workflow/Snakefile")
    assert from_root.pop("default") == direct.pop("all") == 1
    assert from_root == direct
    # The demo has three phenotypes and two networks; variants have no network.
    some = {"plan_bins": 1, "associate_centrality": 6, "associate_burden": 3}
    assert some.items() <= direct.items()
    assert not (clone / "results").exists()
    assert not (clone / "logs").exists()


@pytest.mark.skipif(
    find_spec("snakemake_executor_plugin_slurm") is None, reason="no Slurm plugin is installed"
)
def test_slurm_profile(clone, plan):
    assert plan(clone, "--profile", "slurm") == plan(clone)


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
