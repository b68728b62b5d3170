"""Paths that a user wrote: where they lead, and why nothing can be read there."""

from __future__ import annotations

import os
from pathlib import Path

from popnet.errors import nearest


def resolve_path(sheet: str, path: str) -> str:
    """Return a path of the sheet relative to the current folder where inside, else absolute."""
    folder = Path(sheet).absolute().parent
    absolute = os.path.normpath(folder / Path(path).expanduser())
    here = str(Path.cwd())
    return os.path.relpath(absolute, here) if absolute.startswith(here + os.sep) else absolute


def path_fault(path: str, what: str = "file", folder: bool = True) -> str | None:
    """Return why nothing can be read at a path, where a `folder` may be; None if it can be."""
    try:
        found = Path(path).exists() if folder else Path(path).is_file()
        return None if found else f"There is no such {what}"
    except OSError as error:
        # Too long a name, a folder that others may not enter.
        return f"There is no such {what}, or it is out of reach: {error.strerror}"


def is_absent(path: str) -> bool:
    """Return whether nothing is at a path; what is out of reach may well be there."""
    return path_fault(path) == "There is no such file"


def nearest_file(path: str) -> str:
    """Return ``"did you mean 'x'? "`` for the closest file beside a path, or an empty string."""
    try:
        beside = [entry.name for entry in Path(path).parent.iterdir()]
    except (OSError, ValueError):
        return ""
    return nearest(Path(path).name, beside)
