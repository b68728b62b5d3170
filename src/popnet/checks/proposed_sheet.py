"""From a proposal to a sheet that passes the checks: sizes of bins, cell types, and the text."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from popnet.checks.outlook import FEWEST
from popnet.checks.proposals import Proposal
from popnet.checks.study import check_networks, read_study
from popnet.errors import InputError, Problem
from popnet.study.cohort import load_cohort
from popnet.study.config import merged_config

SIZES = (1000, 500, 300, 200, 150, 100, 70, 50, 30, 20, 10)
# Share of the samples that a bin size should keep, and of those a cell type to be analysed.
KEPT, KEPT_OF_TYPE = 0.8, 0.67
SHOWN = 6


def choose_bins(found: Proposal, below: int = SIZES[0] + 1) -> None:
    """Choose the largest bins that most samples fill, and the cell types that have such bins.

    Parameters
    ----------
    found : Proposal
        Gains size and cell_types.
    below : int
        The size has to be smaller.
    """
    sizes = [size for size in SIZES if size < below] or [SIZES[-1]]
    most = max(len(_kept(found, SIZES[-1], name)) for name in _types(found))
    enough = [
        size
        for size in sizes
        if any(
            len(kept := _kept(found, size, name)) >= KEPT * most and _testable(found, kept)
            for name in _types(found)
        )
    ]
    testable = [size for size in sizes if _tested_types(found, size)]
    found.size = next(iter([*enough, *testable, sizes[-1]]))
    found.cell_types = _tested_types(found, found.size)


def sizes_table(found: Proposal) -> list[str]:
    """Return in lines what each size keeps: samples and donors of the cell type with the most."""
    lines = ["cells per bin  samples  donors  cell types with such bins (samples)"]
    for size in SIZES:
        kept = {name: _kept(found, size, name) for name in _types(found)}
        best = max(kept.values(), key=len)
        n_donors = found.per_sample["donor"].reindex(best).nunique()
        named = [f"{name!r} {len(ids)}" for name, ids in kept.items() if len(ids)]
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        mark = " <- proposed" if size == found.size else ""
        told = ", ".join(named[:SHOWN]) or "none"
        lines.append(f"{size:>13,}  {len(best):>7,}  {n_donors:>6,}  {told}{more}{mark}")
    return lines


def settled(found: Proposal, folder: Path) -> list[Problem]:
    """Take out of a proposal what does not pass the checks, and return what is left of problems.

    Parameters
    ----------
    found : Proposal
        Loses what is in the way; `others` says why.
    folder : Path
        Where the sheet is to lie.
    """
    choose_bins(found)
    if not found.phenotypes:
        message = "No column can be a phenotype: nothing is constant within a sample, and varies"
        remedy = "Give a table of samples (--samples), or write the values into the sheet"
        return [Problem(found.path, "phenotypes", None, message, remedy)]
    for _ in range(4 * SHOWN):
        problems = _problems(found, folder)
        errors = [problem for problem in problems if problem.severity == "error"]
        if not any([_taken_out(found, problem) for problem in errors]):
            return problems
    return problems


def sheet_text(found: Proposal, folder: Path, settings: str) -> str:
    """Return the sheet, with comments.

    Parameters
    ----------
    found : Proposal
    folder : Path
        Where it is to lie; paths are relative to it.
    settings : str
        The name of the file of settings beside it.
    """
    notes = found.notes
    lines = [
        f"# Proposed by `popnet init` from {found.n_cells:,} cells and {found.n_genes:,} genes;",
        f"# {_plain(notes['genes'])}.",
        "# Read it line by line: columns were chosen by their names and values alone. Every key is",
        "# explained in config/README.md. Then run `popnet check` on this file.",
        f"name: {study_name(found.path)}  # results go to results/<name>/",
        f"config: {_yaml(settings)}  # the size of bins; settings of your own go there, too",
        "cells:",
        f"  path: {_yaml(relative(found.path, folder))}",
        f"  counts: {_yaml(found.counts)}" + _note(notes, "cells.counts"),
    ]
    lines += [
        f"  {key}: {_yaml(value)}" + _note(notes, f"cells.{key}")
        for key, value in found.cells.items()
    ]
    lines += ["  # keep: {column: [values]}  # filters, where only some cells are to be used"]
    lines += _cell_types(found)
    lines += ["samples:"]
    for key, value in found.samples.items():
        value = relative(value, folder) if key == "table" else value
        lines.append(f"  {key}: {_yaml(value)}" + _note(notes, f"samples.{key}"))
    lines += _entries("phenotypes", found.phenotypes, notes)
    if not found.phenotypes:
        lines += [
            "  # No column can be one. Give a table of samples (popnet init --samples t.csv), or",
            "  # write what networks are compared with, such as",
            "  # age: {type: continuous}",
        ]
    lines += _entries("covariates", found.covariates, notes) if found.covariates else []
    lines += _entries("gene_sets", found.gene_sets, notes) if found.gene_sets else []
    if found.others:
        lines += ["# Columns that are not used:"]
        lines += [f"#   {name!r}: {_plain(why)}" for name, why in found.others.items()]
    return "\n".join(lines) + "\n"


def settings_text(found: Proposal) -> str:
    """Return the file of settings, with what each size of bins keeps."""
    return "\n".join(
        [
            "# Settings of this study, merged over the defaults; config/README.md lists them all.",
            "# Large bins give reliable networks, small bins keep more samples:",
            *(f"#   {line}" for line in sizes_table(found)),
            "bins:",
            f"  size: {found.size}",
            "",
        ]
    )


def study_name(path: str) -> str:
    """Return a name for the study of a file."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(path).stem)[:40].strip("_-")
    return name.lower() or "study"


def relative(path: str, folder: Path) -> str:
    """Return a path as the sheet has it: relative to its folder, if it is near."""
    absolute = os.path.abspath(path)  # noqa: PTH100 (links stay as they are)
    near = os.path.relpath(absolute, folder.resolve())
    return near if near.count("..") <= 2 else absolute


def _types(found: Proposal) -> list[str]:
    sizes = found.n_of.groupby(level="cell_type").sum().sort_values(ascending=False, kind="stable")
    return [str(name) for name in sizes.index]


def _kept(found: Proposal, size: int, cell_type: str) -> list[str]:
    n_cells = found.n_of.loc[[cell_type]]
    return list(n_cells[n_cells >= size].index.get_level_values("sample"))


def _testable(found: Proposal, kept: list[str]) -> bool:
    """Return whether every phenotype has enough donors, or values, in the samples."""
    every, left = found.per_sample, found.per_sample.reindex(kept)
    for name, entry in found.phenotypes.items():
        groups = [entry.get("case"), entry.get("control")]
        if entry["type"] == "continuous":
            if left[name].nunique() < min(FEWEST, every[name].nunique()):
                return False
            continue
        if "contrasts" in entry:
            groups = list({level for pair in entry["contrasts"].values() for level in pair})
        for group in groups if groups[0] is not None else ("0", "1"):
            n_all, n = (
                table.loc[table[name] == group, "donor"].nunique() for table in (every, left)
            )
            if n < min(FEWEST, n_all):
                return False
    return bool(kept)


def _tested_types(found: Proposal, size: int) -> list[str]:
    kept = {name: _kept(found, size, name) for name in _types(found)}
    most = max(map(len, kept.values()))
    return [
        name
        for name, ids in kept.items()
        if len(ids) >= KEPT_OF_TYPE * most and _testable(found, ids)
    ]


def _problems(found: Proposal, folder: Path) -> list[Problem]:
    """Return what the checks of the workflow say of the sheet as it is."""
    # Beside the sheet, as its paths are relative.
    with TemporaryDirectory(dir=folder, prefix=".popnet-") as name:
        sheet, settings = Path(name, "sheet.yaml"), Path(name, "settings.yaml")
        sheet.write_text(sheet_text(found, Path(name), settings.name), encoding="utf-8")
        settings.write_text(settings_text(found), encoding="utf-8")
        try:
            cohort = load_cohort(sheet)
            config = merged_config([str(settings)])
            study = read_study(cohort, config)
            return [*cohort.warnings, *study.warnings, *check_networks(cohort, study, config)]
        except InputError as error:
            return error.problems


def _taken_out(found: Proposal, problem: Problem) -> bool:
    """Take out what a problem is about; return whether something changed."""
    why = f"taken out: {problem.message}"
    section, _, rest = problem.field.partition(".")
    name = rest.partition(".")[0]
    if section in ("phenotypes", "covariates") and name in (entries := getattr(found, section)):
        entry = entries.pop(name)
        found.others[entry.get("column", name)] = why
    elif problem.field == "cells.batch" and "batch" in found.cells:
        found.others[found.cells.pop("batch")] = why
    elif problem.field == "samples.donor" and "donor" in found.samples:
        found.others[found.samples.pop("donor")] = why
    elif problem.field.startswith("cell_types") and problem.value in found.cell_types:
        found.cell_types.remove(str(problem.value))
    elif problem.field == "bins.size" and found.size > SIZES[-1]:
        choose_bins(found, below=found.size)
    else:
        return False
    return True


def _cell_types(found: Proposal) -> list[str]:
    if "cell_type" not in found.cells:
        return []
    lines = ["cell_types:  # each is analysed by itself"] if found.cell_types else []
    for name in _types(found):
        kept = _kept(found, found.size, name)
        told = f"{len(kept):,} samples have {found.size:,} cells or more"
        mark = "" if name in found.cell_types else "# "
        lines.append(f"  {mark}- {_yaml(name)}  # {told}")
    return lines


def _entries(
    section: str, entries: Mapping[str, Mapping[str, Any]], notes: Mapping[str, str]
) -> list[str]:
    return [
        f"{section}:",
        *(
            f"  {_yaml(name)}: {_yaml(entry)}" + _note(notes, f"{section}.{name}")
            for name, entry in entries.items()
        ),
    ]


def _note(notes: Mapping[str, str], key: str) -> str:
    return f"  # {_plain(notes[key])}" if key in notes else ""


def _plain(text: str) -> str:
    """Return a text in one line, as a comment must be."""
    return " ".join(text.split())


def _yaml(value: Any) -> str:
    """Return a value in one line of YAML."""
    if not str(value).isprintable() or "\\" in str(value):
        # JSON is YAML, and has no line breaks.
        return json.dumps(value)
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=float("inf")
    )
    return text.removesuffix("\n").removesuffix("\n...")
