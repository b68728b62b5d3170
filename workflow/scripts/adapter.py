"""What scripts share: their log, and the library that the process which planned them has."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

# Snakemake adds its folders at the end of the path, behind a popnet that may be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from popnet.errors import InputError


@contextmanager
def logged(path: str) -> Iterator[None]:
    """Send what the block prints to the log; an input error ends the script with its text."""
    # Closed below, as a full disk lets it be.
    log = Path(path).open("w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    try:
        with redirect_stdout(log), redirect_stderr(log):
            yield
    except Exception as error:
        text = str(error) if isinstance(error, InputError) else traceback.format_exc().rstrip()
        try:
            print(text, file=log)
        except OSError:
            # The log's disk may be the one that is full.
            print(text, file=sys.__stderr__)
        sys.exit(1)
    finally:
        with suppress(OSError):
            log.close()
