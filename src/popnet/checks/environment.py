"""The machine against what a study needs of it."""

from __future__ import annotations

import shlex
import sys

from popnet.errors import Problem


def check_python(executable: str = sys.executable) -> Problem | None:
    """Return a problem where no job could be started with this Python.

    Snakemake writes the path of Python unquoted into the shell command of every script.
    """
    if shlex.quote(executable) == executable:
        return None
    return Problem(
        "(environment)",
        "path of Python",
        executable,
        "Snakemake cannot start jobs with a Python whose path holds blanks or characters that mean "
        "something to the shell",
        "Install the environment in a folder whose path has letters, digits, `_`, `.`, `-` and `/`",
    )
