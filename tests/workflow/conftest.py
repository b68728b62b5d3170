"""Fixtures of the tests that plan studies but run next to nothing of them."""

from __future__ import annotations

import re

import pytest

JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)


@pytest.fixture(scope="session")
def clone(copy_clone):
    """A clone in which nothing ever runs."""
    return copy_clone("clone")


@pytest.fixture(scope="session")
def plan(snakemake):
    """A function that returns how many jobs of each rule Snakemake would run in a folder."""

    def jobs(folder, *arguments: str) -> dict[str, int]:
        status, output = snakemake(folder, "-n", *arguments)
        assert status == 0, output
        counts = {name: int(count) for name, count in JOBS.findall(output)}
        assert counts.pop("total") == sum(counts.values())
        return counts

    return jobs
