"""Files of a study: written atomically, with checksums, and named where they are damaged."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from popnet.errors import InputError, Problem

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


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


FULL = (errno.ENOSPC, errno.EDQUOT)


OUT_OF_REACH = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE)


MADE_ANEW = "delete it and start the study again: it is made anew"


def resource(name: str) -> Path:
    """Return the path of a table that comes with the package, such as ``mtdna_genes.tsv``."""
    return Path(__file__).parent / "resources" / name


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name once the block succeeds.

    Raises
    ------
    InputError
        If the disk, or what the user may have of it, is full.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except Exception as error:
        if (full := _no_room(error) or _is_full(path.parent)) is None:
            raise
        remedy = "make room, then start the study again: what is finished is kept"
        raise InputError(
            [Problem(str(path), "file", None, f"cannot be written: {full}", remedy)]
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _no_room(error: BaseException | None) -> str | None:
    """Return the words for a full disk if that is behind an error; HDF5 has them in its text."""
    while error is not None:
        for code in FULL:
            if getattr(error, "errno", None) == code or os.strerror(code) in str(error):
                return os.strerror(code)
        error = error.__cause__ or error.__context__
    return None


def _is_full(folder: Path) -> str | None:
    """Return the system's message for a full disk if that of a folder is full."""
    disk = os.statvfs(folder)
    return os.strerror(errno.ENOSPC) if disk.f_blocks and not disk.f_bavail else None


@contextmanager
def reading(path: str | Path, remedy: str = MADE_ANEW) -> Iterator[None]:
    """Turn any error of the block, which reads a file of the study, into one that names it.

    Raises
    ------
    InputError
        If the file is damaged, absent or out of reach. Which errors a damaged file sets off no
        library says.
    MemoryError
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        message = f"cannot be read, it is damaged or cut short ({type(error).__name__}: {error})"
        if why := out_of_reach(error):
            message, remedy = f"cannot be read: {why}", "let it be read, then start again"
        raise InputError([Problem(str(path), "file", None, message, remedy)]) from error


def out_of_reach(error: BaseException) -> str | None:
    """Return why the system does not let a file be read that may be whole; None of other errors."""
    code = getattr(error, "errno", None)
    return os.strerror(code) if code in OUT_OF_REACH else None


def write_table(table: pd.DataFrame, path: str | Path, index: bool = False) -> None:
    """Write `table` as tab-separated text; the index only where asked for."""
    with atomic(path) as temporary:
        table.to_csv(temporary, sep="\t", index=index, float_format="%.6g", lineterminator="\n")


def write_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Write `table` as Parquet, without its index, with a checksum for every page."""
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)


def read_parquet(path: str | Path) -> pd.DataFrame:
    """Read a table of `write_parquet`.

    Raises
    ------
    InputError
        If it is damaged.
    """
    import pandas as pd

    with reading(path):
        return pd.read_parquet(path, page_checksum_verification=True)


def read_h5ad(path: str | Path) -> AnnData:
    """Read an h5ad file of the study.

    Raises
    ------
    InputError
        If it is damaged.
    """
    from anndata import read_h5ad

    with reading(path):
        return read_h5ad(path)


def write_h5ad(table: AnnData, path: str | Path) -> None:
    """Write `table` as an h5ad file, compressed."""
    with atomic(path) as temporary:
        table.write_h5ad(temporary, compression="gzip")


def read_table(path: str | Path, text: Collection[str] = ()) -> pd.DataFrame:
    """Read a table of a study.

    Columns of identifiers (`TEXT_COLUMNS`, and those that `text` names) stay text, with leading
    zeros and "NA" as they are; an empty field is missing.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    import pandas as pd

    with reading(path):
        with Path(path).open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
            if file.read() != b"\n":
                raise ValueError("its last line has no end")
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
