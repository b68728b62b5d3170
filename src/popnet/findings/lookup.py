"""All that a study says of one gene, gene set or module."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from popnet.errors import InputError, Problem
from popnet.findings.folder import StudyFolder
from popnet.findings.rows import ANALYSES

# Columns that say which one a row is about, by what is asked for.
NAMED_IN = {
    "gene": ("gene", "gene1", "gene2"),
    "set": ("gene_set",),
    "module": ("name1", "name2"),
}
# What else a row is about.
OTHERS = ("gene1", "gene2", "kind", "measure", "differs_in", "name1", "name2", "variant")
# Of these tables a gene or module has very many rows: those of smallest p are shown.
PAIRS = {"edges": ["gene1", "gene2"], "modules": ["name1", "name2", "kind"]}
SHOWN, NEIGHBOURS = 5, 10
PROPOSED = 5


def known_names(results: StudyFolder, kind: str) -> list[str]:
    """Return the names of a study's genes, gene sets or modules."""
    found: dict[str, None] = {}
    for cell_type in results.cell_types:
        if kind == "gene" and (genes := results.table(cell_type, "genes.tsv")) is not None:
            found |= dict.fromkeys(genes["gene"])
        for network in results.networks(cell_type) if kind == "module" else ():
            table = results.table(cell_type, "networks", network, "modules.tsv", text=["name"])
            found |= dict.fromkeys([] if table is None else table["name"])
        for phenotype in results.phenotypes if kind == "set" else ():
            folder = (cell_type, "associations", phenotype)
            table = results.table(*folder, "gene_sets.tsv")
            found |= dict.fromkeys([] if table is None else table["gene_set"])
    return [*found]


def look_up(results: StudyFolder, kind: str, name: str) -> dict[str, pd.DataFrame]:
    """Return tables, by their headings, of all that a study says.

    Parameters
    ----------
    results : StudyFolder
    kind : {"gene", "set", "module"}
    name : str
        Of a module also the number.

    Raises
    ------
    InputError
        If the study has none of this name; the nearest names are proposed.
    """
    known = known_names(results, kind)
    if kind == "module" and name not in known:
        name = _module_of(results, name, known)
    if name not in known:
        lowered = {one.lower(): one for one in known}
        near = get_close_matches(name.lower(), lowered, n=PROPOSED, cutoff=0.5)
        remedy = (
            f"The nearest are {', '.join(lowered[one] for one in near)}"
            if near
            else (f"It has {len(known):,}, such as {', '.join(known[:PROPOSED])}")
        )
        message = f"The study has no {'gene set' if kind == 'set' else kind} of this name"
        raise InputError([Problem(str(results.path), kind, name, message, remedy)])
    tests = pd.DataFrame(_tests(results, kind, name))
    found = {"Tests": tests} if len(tests) else {}
    if kind == "gene":
        found |= _about_gene(results, name)
    elif kind == "module":
        found["Genes"] = pd.DataFrame(_genes_of_module(results, name))
    return found


def _module_of(results: StudyFolder, number: str, known: list[str]) -> str:
    """Return the name of the module with a number, of the first network that has it."""
    for cell_type in results.cell_types:
        for network in results.networks(cell_type):
            table = results.table(cell_type, "networks", network, "modules.tsv", text=["name"])
            if table is not None:
                of_number = table.loc[table["module"].astype(str) == number, "name"]
                if len(of_number):
                    return str(of_number.iloc[0])
    return number


def _tests(results: StudyFolder, kind: str, name: str) -> Iterator[dict[str, object]]:
    """Yield the tests of all tables that are about it."""
    places = {f"{one}/associations": own for one, own in results.cell_types.items()}
    for safe, phenotype in results.phenotypes.items():
        for place, cell_type in (places | {"associations": "all", "variants": "all"}).items():
            for path in sorted((results.path / place / safe).glob("*.tsv")):
                if not path.name.endswith(".null.tsv"):
                    yield from _of_table(results, kind, name, path, cell_type, phenotype)


def _of_table(
    results: StudyFolder, kind: str, name: str, path: Path, cell_type: str, phenotype: str
) -> Iterator[dict[str, object]]:
    stem = path.stem
    table = results.table(str(path.relative_to(results.path)), text=["name1", "name2"])
    columns = [one for one in NAMED_IN[kind] if table is not None and one in table]
    if table is None or not columns or "p" not in table or (kind == "module" and stem != "modules"):
        return
    rows = table[(table[columns] == name).any(axis=1)].dropna(subset=["p"])
    if stem in PAIRS:
        rows = rows.sort_values("p", kind="stable").drop_duplicates(["network", *PAIRS[stem]])
        rows = rows.groupby("network", sort=False).head(SHOWN)
    for row in rows.to_dict("records"):
        other = [
            str(row[one])
            for one in OTHERS
            if one in row and row[one] != name and pd.notna(row[one])
        ]
        effect = next((row[one] for one in ("estimate", "nes", "statistic") if one in row), None)
        yield {
            "phenotype": phenotype,
            "cell type": cell_type,
            "test": ANALYSES.get(stem, (stem.replace("_", " "),))[0],
            "network": row.get("network", ""),
            "of": ", ".join(dict.fromkeys(other)),
            "effect": effect,
            "p": row["p"],
            "q": row.get("q"),
            "ICC": row.get("icc"),
            "explained by": row.get("explained_by", ""),
        }


def _about_gene(results: StudyFolder, gene: str) -> dict[str, pd.DataFrame]:
    """Return where a gene is: its values, neighbours, modules, programmes and sets."""
    values: list[dict[str, object]] = []
    near: list[dict[str, object]] = []
    members: list[dict[str, object]] = []
    for folder, cell_type in results.cell_types.items():
        genes = results.table(folder, "genes.tsv")
        own = genes[genes["gene"] == gene] if genes is not None else pd.DataFrame()
        if len(own):
            shown = {"mean": "expression", "detection_rate": "detection"}
            row: dict[str, object] = {"cell type": cell_type, "network": "(all cells)"}
            values.append(row | {words: own[one].iloc[0] for one, words in shown.items()})
        for network in results.networks(folder):
            place = (folder, "networks", network)
            about: dict[str, object] = {"cell type": cell_type, "network": network}
            values += _of_samples(results, place, gene, about)
            table = results.table(*place, "neighbours.parquet")
            if table is not None and len(table := table[table["gene"] == gene]):
                weight = "weight" if "weight" in table else "distance"
                mean = table.groupby("neighbour", observed=True)[weight].agg(["size", "mean"])
                mean = mean.sort_values(["size", "mean"], ascending=False, key=abs)
                told = [f"{one} {row['mean']:.2f}" for one, row in mean.head(NEIGHBOURS).iterrows()]
                near.append(about | {f"nearest, with mean {weight}": ", ".join(told)})
            for what in ("module", "programme"):
                table = results.table(*place, f"{what}s.tsv", text=["name"])
                if table is not None:
                    for name in table.loc[table["gene"] == gene, "name"]:
                        members.append(about | {"in": f"{what} {name}"})
    members += [{"in": f"gene set {name}"} for name in _sets_of(results, gene)]
    found = {"Values": values, "Neighbours": near, "Part of": members}
    return {heading: pd.DataFrame(rows) for heading, rows in found.items() if rows}


def _of_samples(
    results: StudyFolder, place: tuple[str, ...], gene: str, about: dict[str, object]
) -> list[dict[str, object]]:
    """Return the reliability of a gene's values in a network, and their range over samples."""
    centrality = results.table(*place, "centrality.tsv")
    if centrality is None or gene not in set(centrality["gene"]):
        return []
    row: dict[str, object] = dict(about)
    own = centrality.set_index("gene").loc[gene].dropna()
    row |= {"samples": len(own), "centrality": own.median(), "lowest": own.min()}
    row["highest"] = own.max()
    reliability = results.table(*place, "reliability.tsv")
    if reliability is not None and gene in set(reliability["gene"]):
        of_gene = reliability.set_index("gene").loc[gene]
        columns = {"icc": "ICC", "strength_icc": "ICC of strength"}
        row |= {words: of_gene[one] for one, words in columns.items() if one in of_gene}
    return [row]


def _sets_of(results: StudyFolder, gene: str) -> list[str]:
    path = results.path / "study" / "gene_sets.json"
    if not path.is_file():
        return []
    sets = json.loads(path.read_text("utf-8"))
    return [
        one["name"]
        for one in sets
        if gene in one.get("genes", ()) or (one.get("prefix") and gene.startswith(one["prefix"]))
    ]


def _genes_of_module(results: StudyFolder, name: str) -> Iterator[dict[str, object]]:
    for folder, cell_type in results.cell_types.items():
        for network in results.networks(folder):
            table = results.table(folder, "networks", network, "modules.tsv", text=["name"])
            if table is not None and len(own := table[table["name"] == name]):
                yield {
                    "cell type": cell_type,
                    "network": network,
                    "module": own["module"].iloc[0],
                    "stability": own["stability"].iloc[0],
                    "set": own["gene_set"].fillna("").iloc[0],
                    "genes, hubs first": ", ".join(own["gene"]),
                }
