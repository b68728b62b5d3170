"""What a sheet could say of a file of cells: the role of each column, proposed from its values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from popnet.cells.formats import matrices, open_source
from popnet.cells.sources import CountSource
from popnet.checks.cells import as_texts
from popnet.checks.genes import mitochondrial_name, symbol_columns
from popnet.checks.sources import what_they_are
from popnet.checks.values import values_by_sample
from popnet.errors import InputError, Problem
from popnet.study.cohort import RESERVED_COLUMNS
from popnet.study.phenotypes import as_number, is_missing
from popnet.study.problems import merged, quoted
from popnet.study.tables import read_sheet_table

# Names that columns have in published data, the usual ones first.
END = r"s?([._ ]?(ids?|names?|cov|label))?"
NAMES = {
    "sample": (rf"sample{END}", r"orig[._]ident", rf"(specimen|biosample|channel){END}"),
    "donor": (
        rf"donor{END}",
        rf"(individual|patient|subject|participant|person){END}",
        rf"((cell[._ ]?)?line|ind|mouse|animal){END}",
    ),
    "cell_type": (
        rf"(author|major|broad|predicted)?[._ ]?cell[._ ]?type{END}",
        r"cg_cov|cell[._ ]?(label|annotation|class|ontology)s?",
        r"(predicted[._])?(celltype[._])?l[12]|annotations?|clusters?|leiden.*|louvain.*|seurat_clusters",
    ),
    "batch": (rf"batch(es)?{END}", r"(pool|lane|chip|plate|run|library|processing|10x).*"),
}
COVARIATES = r"sex|gender|age|bmi|ethnicity|race|ancestry|.*self.?reported.*|smok.*|pmi|pc[._ ]?\d+"
TECHNICAL = (
    r"n_?(counts?|genes?|cells?|umis?|feature).*|(pct|percent).*|total_.*|(s|g2m)_?score"
    r"|.*doublet.*"
)
CONTROL = (
    r"(un|non|not|no)[-_ ]?(treated|stim.*|infected|affected|exposed|.*case)|ctrl|ctl|con|control.*"
    r"|healthy|normal|n|no|none|false|0|wt|wild.?type|baseline|pre.*|before|resting|vehicle|dmso"
    r"|mock|sham|neg.*|placebo|low"
)
FEW_LEVELS = 6
# Donors from which covariates are proposed, as each takes a degree of freedom.
DONORS_FOR_COVARIATES = 20
ROWS = 300


@dataclass
class Proposal:
    """What a sheet could say, and why.

    Parameters
    ----------
    path, table : str
        The file of cells, and the table of samples ("" without one).
    n_cells, n_genes : int
    counts : str
        Which matrix holds raw counts.
    cells : dict
        Other keys of the section `cells`, such as sample and cell_type, with their values.
    samples : dict
        Keys of the section `samples`.
    phenotypes, covariates : dict of name to dict
        Entries of the sheet.
    gene_sets : dict
    notes : dict of dotted key to str
        Why.
    others : dict of column to str
        Columns that are not used, and why.
    per_sample : DataFrame, indexed by sample
        donor and the phenotypes, as text.
    n_of : Series
        Cells by cell type and sample.
    size : int
        Cells of a bin.
    cell_types : list of str
        Those to be analysed, if the cells have types.
    """

    path: str
    table: str
    n_cells: int
    n_genes: int
    counts: str
    cells: dict[str, str] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    phenotypes: dict[str, dict[str, Any]] = field(default_factory=dict)
    covariates: dict[str, dict[str, Any]] = field(default_factory=dict)
    gene_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    per_sample: pd.DataFrame = field(default_factory=pd.DataFrame)
    n_of: pd.Series = field(default_factory=lambda: pd.Series(dtype=int))
    size: int = 0
    cell_types: list[str] = field(default_factory=list)


def propose(path: str | Path, table: str | Path | None = None) -> Proposal:
    """Look at a file of cells, of which the annotations and some rows of counts are read.

    Parameters
    ----------
    path : str or Path
        An h5ad.
    table : str or Path, optional
        CSV or TSV with a row per sample, where phenotypes are not among the cells' annotations.

    Raises
    ------
    InputError
        If the file cannot be read, or has no raw counts or no column that can be that of samples.
    """
    path = str(path)
    source, note = _with_counts(path)
    found = Proposal(path, str(table or ""), source[1].n_cells, len(source[1].genes), source[0])
    found.notes["cells.counts"] = note
    _name_genes(found, source[1])
    columns = {}
    for name in map(str, source[1].obs.columns):
        column = source[1].obs[name]
        n = column.nunique()
        if n == 1 and _named("cell_type", [name]):
            columns[name] = as_texts(column)
        elif n < 2:
            value = column.dropna().iloc[:1].tolist()
            found.others[name] = f"one value in all cells: {quoted(value)}" if value else "empty"
        elif n > source[1].n_cells / 5:
            found.others[name] = f"{n:,} values: of cells, not of samples"
        else:
            columns[name] = as_texts(column)
    of_table = _of_table(found)
    _choose_samples(found, columns, of_table)
    _choose_roles(found, columns)
    _choose_phenotypes(found, columns, of_table)
    return found


def _with_counts(path: str) -> tuple[tuple[str, CountSource], str]:
    """Return the first matrix of raw counts, with its source, and what the others are."""
    looks, problems = [], []
    for name in matrices(path):
        try:
            source = open_source(path, name)
            rows = np.arange(source.n_cells)[:: max(source.n_cells // ROWS, 1)][:ROWS]
            values = source.read_rows(rows)
        except InputError as error:
            problems += error.problems
            continue
        data = values.data
        if len(data) and np.isfinite(data).all() and (data >= 0).all() and (data % 1 == 0).all():
            looks.append(f"{name} holds whole numbers from 0 on")
            return (name, source), "; ".join(looks)
        looks.append(f"{name}: {what_they_are(values)[0] if len(data) else 'no values'}")
    if not looks:
        raise InputError(merged(problems))
    message = f"No matrix holds raw counts: {'; '.join(looks)}"
    remedy = "Write the raw counts into X or a layer of the file"
    raise InputError([Problem(path, "cells.counts", None, message, remedy)])


def _name_genes(found: Proposal, source: CountSource) -> None:
    names = source.genes.astype(str)
    ensembl = names.str.match(r"ENS[A-Z]*G\d{11}").mean()
    found.notes["genes"] = f"genes are called {quoted(names, 3)}"
    if ensembl > 0.5 and (symbols := symbol_columns(source.var)):
        found.cells["gene_symbols"] = symbols[0]
        named = open_source(found.path, found.counts, symbols[0])
        names = named.genes.astype(str)
        found.notes["cells.gene_symbols"] = f"names are Ensembl ids, this column {quoted(names, 3)}"
    if names.str.startswith("MT-").any():
        return
    if first := mitochondrial_name(names):
        if first["before"]:
            found.cells["gene_prefix"] = first["before"]
            found.notes["cells.gene_prefix"] = f"genes are called {first[0]!r}"
        if first["mt"] != "MT-":
            found.gene_sets["MT"] = {"prefix": first["mt"]}
            found.notes["gene_sets.MT"] = f"genes are called {first[0]!r}"


def _of_table(found: Proposal) -> dict[str, list[str]]:
    """Return the columns of the table of samples."""
    if not found.table:
        return {}
    columns, rows, problems = read_sheet_table(found.table)
    if not columns:
        raise InputError(problems)
    return {name: [row[name].strip() for row in rows] for name in columns}


def _named(role: str, columns: Sequence[str]) -> list[str]:
    """Return the columns whose names suggest a role, the usual names first."""
    return [
        name
        for pattern in NAMES[role]
        for name in columns
        if re.fullmatch(pattern, name.strip(), re.IGNORECASE)
    ]


def _choose_samples(
    found: Proposal, columns: Mapping[str, np.ndarray], table: Mapping[str, list[str]]
) -> None:
    """Choose the column of samples: the one that the table has ids of, or by its name."""
    if table:
        shared = {
            (name, other): len(set(texts) & set(table[other]))
            for name, texts in columns.items()
            for other in table
        }
        (sample, id), n = max(shared.items(), key=lambda pair: pair[1], default=(("", ""), 0))
        if n < 2:
            message = (
                f"No column of it has ids that the cells have; cells have {quoted(columns, 12)}"
            )
            remedy = "Write ids of samples exactly as the cells have them"
            raise InputError([Problem(found.table, "columns", None, message, remedy)])
        found.samples = {"table": found.table, "id": id, "without_cells": "exclude"}
        found.notes["cells.sample"] = f"{n:,} of its values are in column {id!r} of the table"
    else:
        named = [*_named("sample", [*columns]), *_named("donor", [*columns])]
        if not named:
            message = f"No obs column looks like samples or donors: it has {quoted(columns, 12)}"
            remedy = "Add an obs column `sample`, or give a table of samples (--samples)"
            raise InputError([Problem(found.path, "obs", None, message, remedy)])
        sample = named[0]
        found.samples = {"cells": "all"}
        n = len(set(columns[sample]) - {None})
        found.notes["cells.sample"] = f"by its name; {n:,} values: {_levels(columns[sample])}"
    found.cells["sample"] = sample


def _choose_roles(found: Proposal, columns: Mapping[str, np.ndarray]) -> None:
    """Choose the columns of donors, cell types and batches, by their names."""
    of_cell = pd.Series(columns[found.cells["sample"]])
    ids = sorted(set(of_cell.dropna()))
    found.per_sample = pd.DataFrame({"donor": ids}, index=ids)
    taken = [found.cells["sample"]]
    for name in _named("donor", [one for one in columns if one not in taken]):
        values = values_by_sample(of_cell, pd.Series(columns[name]))
        lacking = [id for id in ids if id not in values]
        if any(len(one) > 1 for one in values.values()) or len(lacking) > len(ids) / 2:
            continue
        if "table" not in found.samples:
            found.samples["donor"] = name
        n = len({one[0] for one in values.values()})
        found.notes["samples.donor"] = f"by its name; {n:,} donors of {len(ids):,} samples"
        found.per_sample["donor"] = [values.get(id, [id])[0] for id in ids]
        if lacking and "table" not in found.samples:
            found.samples["exclude"] = dict.fromkeys(lacking, "no donor is given")
        taken.append(name)
        break
    types = _named("cell_type", [one for one in columns if one not in taken])
    labels = np.full(found.n_cells, "all", object)
    if types:
        labels = columns[types[0]]
        found.cells["cell_type"] = types[0]
        found.notes["cells.cell_type"] = f"by its name; {_levels(labels)}"
        found.others |= dict.fromkeys(types[1:], "also looks like cell types")
        taken += types
    for name in _named("batch", [one for one in columns if one not in taken]):
        n_batches = len(set(columns[name]) - {None})
        if n_batches < len(ids) and not any(text is None for text in columns[name]):
            found.cells["batch"] = name
            found.notes["cells.batch"] = (
                f"by its name; {n_batches:,} values: {_levels(columns[name])}"
            )
            taken.append(name)
            break
        found.others[name] = (
            f"by its name a batch, but {n_batches:,} of them in {len(ids):,} samples"
        )
        taken.append(name)
    table = pd.DataFrame({"cell_type": labels, "sample": of_cell.to_numpy()}).dropna()
    out = found.samples.get("exclude", {})
    table = table[~table["sample"].isin(list(out))]
    found.n_of = table.groupby(["cell_type", "sample"]).size()


def _choose_phenotypes(
    found: Proposal, columns: Mapping[str, np.ndarray], table: Mapping[str, list[str]]
) -> None:
    """Choose phenotypes and covariates among the columns that are constant within a sample."""
    of_cell = pd.Series(columns[found.cells["sample"]])
    ids = [id for id in found.per_sample.index if id not in found.samples.get("exclude", {})]
    taken = {*found.cells.values(), found.samples.get("donor"), *found.others}
    found.per_sample = found.per_sample.loc[ids]
    candidates: dict[str, dict[str, str]] = {}
    if table:
        rows = table[found.samples["id"]]
        for name in [one for one in table if one != found.samples["id"]]:
            pairs = zip(rows, table[name], strict=True)
            candidates[name] = {id: text for id, text in pairs if not is_missing(text)}
            if name in _named("donor", [name]) and "donor" not in found.samples:
                found.samples["donor"] = name
                found.notes["samples.donor"] = "by its name"
                found.per_sample["donor"] = [candidates[name].get(id, id) for id in ids]
                del candidates[name]
        # Rows of samples that the cells lack are no part of the study.
        ids = [id for id in ids if id in set(rows)]
        found.per_sample = found.per_sample.loc[ids]
        found.n_of = found.n_of[found.n_of.index.get_level_values("sample").isin(ids)]
    else:
        for name in [one for one in columns if one not in taken]:
            of_ids = values_by_sample(of_cell, pd.Series(columns[name]))
            varying = sum(len(one) > 1 for one in of_ids.values())
            if varying:
                found.others[name] = f"varies within {varying:,} of {len(ids):,} samples"
            else:
                candidates[name] = {id: one[0] for id, one in of_ids.items()}
    n_donors = found.per_sample["donor"].nunique()
    covariates = {}
    for name, known_values in candidates.items():
        values = {id: known_values[id] for id in ids if id in known_values}
        if (entry := _entry(found, name, values, len(ids))) is None:
            continue
        known = f"{len(values):,} of {len(ids):,} samples have a value: "
        note = (known if len(values) < len(ids) else "") + _levels(list(values.values()))
        kept = name if name not in RESERVED_COLUMNS else f"{name}_"
        entry |= {"column": name} if kept != name else {}
        found.per_sample[kept] = [values.get(id) for id in ids]
        if re.fullmatch(COVARIATES, name.strip(), re.IGNORECASE):
            covariates[kept] = entry, note
        else:
            found.phenotypes[kept] = entry
            found.notes[f"phenotypes.{kept}"] = note
    for name, (entry, note) in covariates.items():
        whole = found.per_sample[name].notna().all()
        if not found.phenotypes or name in found.phenotypes:
            found.phenotypes[name] = entry
            found.notes[f"phenotypes.{name}"] = f"{note}; in want of another phenotype"
        elif not whole or n_donors < DONORS_FOR_COVARIATES:
            why = "values are missing" if not whole else f"{n_donors} donors leave no room for it"
            found.others[name] = f"could be a covariate ({note}), but {why}"
        else:
            numeric = entry["type"] == "continuous" and found.per_sample[name].nunique() > 2
            column = {"column": entry["column"]} if "column" in entry else {}
            found.covariates[name] = {"type": "numeric" if numeric else "categorical"} | column
            found.notes[f"covariates.{name}"] = f"by its name; {note}"


def _entry(
    found: Proposal, name: str, values: Mapping[str, str], n_samples: int
) -> dict[str, Any] | None:
    """Return how a column could be a phenotype; None, with the reason in `others`, if not."""
    levels = list(dict.fromkeys(sorted(values.values())))
    numeric = all(as_number(level) is not None for level in levels)
    reason = ""
    if len(values) < n_samples / 2:
        reason = f"missing in {n_samples - len(values):,} of {n_samples:,} samples"
    elif len(levels) < 2:
        reason = f"one value in all samples: {quoted(levels)}"
    elif re.fullmatch(TECHNICAL, name.strip(), re.IGNORECASE) or _named("batch", [name]):
        reason = f"looks technical; {_levels(levels)}"
    elif not numeric and len(levels) > FEW_LEVELS:
        reason = f"{len(levels):,} levels, too many to guess what is compared: {_levels(levels)}"
    if reason:
        found.others[name] = reason
        return None
    entry: dict[str, Any] = {"missing": "drop"} if len(values) < n_samples else {}
    controls = [one for one in levels if re.fullmatch(CONTROL, one, re.IGNORECASE)]
    control = [*controls, *levels][0]
    cases = [level for level in levels if level != control]
    if numeric and (len(levels) > 2 or set(levels) != {"0", "1"}):
        return {"type": "continuous"} | entry
    if len(levels) == 2:
        pair = {} if set(levels) == {"0", "1"} else {"case": cases[0], "control": control}
        return {"type": "binary"} | pair | entry
    contrasts = {f"{case}_vs_{control}": [case, control] for case in cases}
    return {"type": "categorical", "contrasts": contrasts} | entry


def _levels(texts: Iterable[str | None]) -> str:
    """Return the most frequent values, or the range of numbers."""
    known = pd.Series([text for text in texts if text is not None], dtype=object)
    levels = known.unique()
    numbers = [number for text in levels if (number := as_number(str(text))) is not None]
    if FEW_LEVELS < len(levels) == len(numbers):
        return f"numbers from {min(numbers):g} to {max(numbers):g}"
    return quoted(known.value_counts(sort=True).index, FEW_LEVELS)
