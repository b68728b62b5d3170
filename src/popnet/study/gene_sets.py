"""Gene sets of the sheet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from popnet.errors import InputError, Problem
from popnet.files import atomic, reading, resource
from popnet.study.definitions import GeneSet


def read_gmt(path: str | Path) -> dict[str, list[str]]:
    """Read gene sets: lines of name, description and genes, separated by tabs.

    Raises
    ------
    InputError
        Unreadable file, a line of fewer than three fields, a name that comes twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(
            str(path), "file", None, f"cannot be read: {error}", "give a GMT file of text"
        )
        raise InputError([problem]) from error
    sets: dict[str, list[str]] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *rest = (field.strip() for field in line.split("\t"))
        genes = list(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name or not genes:
            message = "not a gene set: a line holds a name, a description and genes"
            remedy = "separate the fields by tabs and list at least one gene"
            problems.append(Problem(str(path), f"line {number}", line[:60], message, remedy))
        elif name in sets:
            problems.append(
                Problem(
                    str(path), f"line {number}", name, "this name comes twice", "rename one of them"
                )
            )
        else:
            sets[name] = genes
    if problems:
        raise InputError(problems)
    return sets


def bundled_gene_sets() -> list[GeneSet]:
    """Return the gene sets that come with the package: human genes, for sheets that name no sets.

    Mitochondrial complexes, ribosomes, cell cycle and interferon signaling;
    ``resources/README.md`` says where they come from.
    """
    sets = read_gmt(resource("gene_sets.gmt"))
    return [GeneSet(name, genes=tuple(genes), implicit=True) for name, genes in sets.items()]


def resolve_gene_sets(specs: Iterable[Any], genes: Sequence[str]) -> dict[str, list[str]]:
    """Turn the sheet's gene sets into lists of genes.

    Parameters
    ----------
    specs : iterable of objects with ``name`` and one of ``prefix``, ``gmt`` and ``genes``
        A GMT file gives all of its sets under their own names.
    genes : sequence of str
        Genes of the data; only a prefix is matched against them.

    Raises
    ------
    InputError
        Two different sets share a name, or a GMT file is faulty.
    """
    sets: dict[str, list[str]] = {}
    problems = []
    for spec in specs:
        if spec.gmt is not None:
            new = read_gmt(spec.gmt)
        elif spec.prefix is not None:
            new = {spec.name: [gene for gene in genes if gene.startswith(spec.prefix)]}
        else:
            new = {spec.name: list(dict.fromkeys(spec.genes))}
        for name, members in new.items():
            if set(sets.setdefault(name, members)) != set(members):
                message = "another gene set with other genes has this name"
                remedy = "rename one of the two"
                problems.append(
                    Problem(str(spec.gmt or "sheet"), "gene_sets", name, message, remedy)
                )
    if problems:
        raise InputError(problems)
    return sets


def write_gene_sets(specs: Iterable[GeneSet], path: str | Path) -> None:
    """Write gene sets down as JSON, each set of a GMT file by itself.

    Raises
    ------
    InputError
        A GMT file is faulty.
    """
    sets = []
    for spec in specs:
        if spec.gmt is None:
            sets.append({"name": spec.name, "prefix": spec.prefix, "genes": list(spec.genes)})
            continue
        for name, genes in read_gmt(spec.gmt).items():
            sets.append({"name": name, "prefix": None, "genes": genes})
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(sets, indent=1, ensure_ascii=False), encoding="utf-8")


def read_gene_sets(path: str | Path) -> list[GeneSet]:
    """Read gene sets of `write_gene_sets`.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with reading(path):
        sets = json.loads(Path(path).read_text(encoding="utf-8"))
        return [GeneSet(one["name"], one["prefix"], genes=tuple(one["genes"])) for one in sets]
