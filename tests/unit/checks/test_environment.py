from __future__ import annotations

import sys

import pytest

from popnet.checks.environment import check_python


def test_this_python_can_start_jobs():
    assert check_python("/opt/env-1.2/bin/python3.11") is None
    assert check_python() is None or " " in sys.executable


@pytest.mark.parametrize("path", ["/my env/bin/python", "/a;b/python", "/$HOME/python"])
def test_paths_that_the_shell_would_split(path):
    problem = check_python(path)
    assert problem.value == path
    assert problem.severity == "error"
    assert "letters, digits" in problem.remedy
