"""What becomes of a compared method that fails, in whichever way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import popnet
from popnet.comparisons.methods import attempt, load_method
from popnet.comparisons.registry import EMBEDDINGS, INTERPRETATIONS, NETWORKS
from popnet.errors import InputError, Problem


def test_what_a_method_returns():
    tried = attempt(np.arange, 3)
    np.testing.assert_array_equal(tried.value, [0, 1, 2])
    assert tried.status == "done"
    assert tried.peak_memory > 1
    assert attempt(time.sleep, 0.2).seconds >= 0.2


def absent():
    import no_such_package  # noqa: F401


def out_of_memory():
    raise MemoryError


def unsendable():
    return lambda: None


@pytest.mark.parametrize(
    ("method", "status"),
    [
        (absent, "failed: the package no_such_package is absent (see docs/comparisons.md)"),
        (out_of_memory, "failed: MemoryError"),
        (lambda: 1 / 0, "failed: ZeroDivisionError: division by zero"),
        (lambda: sys.exit(3), "failed: SystemExit: 3"),
        (lambda: os._exit(3), "failed: ended with exit status 3"),
        (lambda: os._exit(0), "failed: ended with exit status 0"),
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            "failed: ended by SIGKILL, as where memory ran out",
        ),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "failed: ended by SIGTERM"),
    ],
)
def test_a_failure_is_a_status(method, status):
    tried = attempt(method)
    assert tried.value is None
    assert tried.status == status


def test_what_cannot_be_sent_is_a_failure():
    assert attempt(unsendable).status.startswith("failed: ")


def test_a_damaged_file_says_nothing_about_the_method():
    problem = Problem("cells.h5ad", "file", None, "is damaged", "delete it")

    def read():
        raise InputError([problem])

    with pytest.raises(InputError, match="delete it") as raised:
        attempt(read)
    assert raised.value.problems == [problem]


@pytest.mark.parametrize("table", [EMBEDDINGS, INTERPRETATIONS, NETWORKS])
def test_names_are_those_that_rules_can_have(table):
    for name in table:
        assert name.replace("-", "").isalnum()
        assert name == name.lower()
        assert callable(load_method(table, name))
    with pytest.raises(ValueError, match="not one of"):
        load_method(table, "no-such-method")


def test_the_workflow_reads_names_without_the_methods():
    """Every parse of the workflow imports the registry: it must not import what methods need."""
    code = "import sys; import popnet.comparisons.registry; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(popnet.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
