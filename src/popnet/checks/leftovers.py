"""Results that the sheet and the config no longer ask for."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnet.errors import InputError, Problem
from popnet.names import safe_name
from popnet.presets import estimators
from popnet.study.cohort import Cohort

# Folders of a cell type, by which one is told from others.
OF_CELL_TYPE = ("networks", "map", "associations", "training", "models", "shared")
# Folders beside those of networks.
BESIDE = ("expression",)


@dataclass(frozen=True)
class Leftover:
    """A file or folder, its size in bytes, and why nobody asks for it."""

    path: Path
    size: int
    reason: str


@dataclass(frozen=True)
class Asked:
    """Names, as files have them, of what a study consists of; None stands for unknown."""

    cell_types: Collection[str] | None
    phenotypes: Collection[str]
    networks: Collection[str]
    bins: Mapping[str, Collection[str]]


def leftovers(
    cohort: Cohort, config: Mapping[str, Any], folder: str | Path = "."
) -> list[Leftover]:
    """Find results and logs of cell types, phenotypes, networks and bins that are not asked for.

    Nothing is found outside ``results/<cohort>/`` and ``logs/<cohort>/``, and no link is followed.

    Parameters
    ----------
    cohort : Cohort
    config : mapping
    folder : str or Path
        Where the workflow runs.

    Raises
    ------
    InputError
        If Snakemake runs there, or if one of the two folders is a link.
    """
    folder = Path(folder)
    locks = folder / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        message = "Snakemake runs in this folder, or was interrupted"
        remedy = "Wait until it has ended, or unlock the folder: snakemake --unlock"
        raise InputError([Problem(str(locks), "lock", None, message, remedy)])
    roots = [folder / name / cohort.name for name in ("results", "logs")]
    for root in roots:
        if root.is_symlink():
            message = "It is a link, and what lies behind a link is left alone"
            remedy = "Run popnet clean where the results are"
            raise InputError([Problem(str(root), "results", None, message, remedy)])
    asked = _asked(cohort, config, roots[0])
    found = [*_of_results(roots[0], asked), *_of_logs(roots, asked)]
    # No link on the way either.
    inside = {root: root.resolve() for root in roots}
    return [
        Leftover(path, _size(path), reason)
        for path, reason in found
        if any(
            path.resolve() == real / path.relative_to(root)
            for root, real in inside.items()
            if path.is_relative_to(root)
        )
    ]


def remove(found: Collection[Leftover]) -> None:
    """Remove leftovers; links in them are removed, and not what they lead to."""
    for one in found:
        if one.path.is_symlink() or not one.path.is_dir():
            one.path.unlink(missing_ok=True)
        else:
            shutil.rmtree(one.path)


def _asked(cohort: Cohort, config: Mapping[str, Any], results: Path) -> Asked:
    bins: dict[str, set[str]] = {}
    path = results / "bins.tsv"
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                own = bins.setdefault(safe_name(row["cell_type"]), set())
                own.add(f"{safe_name(row['sample'])}.{row['bin']}")
    types = [safe_name(name) for name in cohort.cell_types] if cohort.cell_types else [*bins]
    networks = estimators(config) if cohort.has_cells else []
    # A categorical phenotype has overall tests of its own, beside its contrasts.
    names = {name for one in cohort.phenotypes for name in (one.name, one.written)}
    return Asked(
        types or None,
        set(map(safe_name, names)),
        {*networks, *(one.name for one in cohort.own_networks)},
        bins,
    )


def _of_results(root: Path, asked: Asked) -> Iterator[tuple[Path, str]]:
    types = asked.cell_types
    for folder in _folders(root):
        if types is not None and folder.name not in types and _is_cell_type(folder):
            yield folder, "cell type"
            yield from ((one, "cell type") for one in _inside(root / "figures", folder.name))
        elif types is not None and folder.name in types:
            yield from _of_cell_type(folder, asked)
            for figures in _inside(root / "figures", folder.name):
                yield from _others(figures, asked.phenotypes, "phenotype")
    for place in (root / "associations", root / "variants", root / "figures" / "variants"):
        yield from _others(place, asked.phenotypes, "phenotype")
    for path in _files(root / "study" / "phenotypes"):
        if path.stem not in asked.phenotypes:
            yield path, "phenotype"


def _of_cell_type(folder: Path, asked: Asked) -> Iterator[tuple[Path, str]]:
    for place in (folder / "networks", folder / "map"):
        yield from _others(place, asked.networks, "network")
    yield from _others(folder / "associations", asked.phenotypes, "phenotype")
    for phenotype in _folders(folder / "associations"):
        if phenotype.name in asked.phenotypes:
            yield from _others(phenotype, {*asked.networks, *BESIDE}, "network")
    if "sivae" not in asked.networks:
        for name in ("models", "training"):
            yield from ((one, "network") for one in _inside(folder, name))
        return
    bins = asked.bins.get(folder.name)
    for path in _files(folder / "models") if bins else ():
        # <sample>.<bin>[-<repeat>].h5ad
        if (name := re.sub(r"-\d+$", "", path.stem)) not in (bins or ()) and path.suffix == ".h5ad":
            yield path, f"bin {name}"


def _of_logs(roots: Collection[Path], asked: Asked) -> Iterator[tuple[Path, str]]:
    """Yield logs and benchmarks of cell types that are gone from the results."""
    results, logs = roots
    gone = [
        folder.name
        for folder in _folders(results)
        if asked.cell_types is not None
        and folder.name not in asked.cell_types
        and _is_cell_type(folder)
    ]
    for place in (logs, results / "benchmarks"):
        for name in gone:
            yield from ((one, "cell type") for one in _inside(place, name))


def _is_cell_type(folder: Path) -> bool:
    return (folder / "genes.tsv").is_file() and any(
        (folder / name).is_dir() for name in OF_CELL_TYPE
    )


def _others(place: Path, asked: Collection[str], what: str) -> Iterator[tuple[Path, str]]:
    yield from ((one, what) for one in _folders(place) if one.name not in asked)


def _inside(place: Path, name: str) -> list[Path]:
    return [one for one in _folders(place) if one.name == name]


def _folders(place: Path) -> list[Path]:
    if place.is_symlink() or not place.is_dir():
        return []
    return sorted(one for one in place.iterdir() if one.is_dir() and not one.is_symlink())


def _files(place: Path) -> list[Path]:
    if place.is_symlink() or not place.is_dir():
        return []
    return sorted(one for one in place.iterdir() if one.is_file() and not one.is_symlink())


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(_size(one) for one in path.iterdir())
    return path.lstat().st_size
