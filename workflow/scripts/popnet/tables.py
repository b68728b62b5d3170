"""Tables on disk: tab-separated, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

TEXT_COLUMNS = (
    "sample",
    "sample1",
    "sample2",
    "donor",
    "cell_type",
    "batch",
    "cell",
    "gene",
    "gene1",
    "gene2",
    "gene_set",
    "unit",
    "measure",
    "contig",
    "ref",
    "alt",
    "reason",
)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name once the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: str | Path, index: bool = False) -> None:
    """Write `table` as tab-separated text; the index only where asked for."""
    with atomic(path) as temporary:
        table.to_csv(temporary, sep="\t", index=index, float_format="%.6g", lineterminator="\n")


def read_table(path: str | Path, text: Collection[str] = ()) -> pd.DataFrame:
    """Read a table of ours.

    Columns of identifiers (`TEXT_COLUMNS`, and those that `text` names) stay text, with leading
    zeros and "NA" as they are; an empty field is missing.
    """
    header = pd.read_csv(path, sep="\t", nrows=0).columns
    as_text = [column for column in header if column in TEXT_COLUMNS or column in text]
    return pd.read_csv(
        path,
        sep="\t",
        dtype={column: str for column in as_text},
        keep_default_na=False,
        na_values={
            column: [""] if column in as_text else ["", "NA", "NaN", "nan"] for column in header
        },
    )
