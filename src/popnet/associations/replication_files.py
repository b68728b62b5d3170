"""What a replication reads: tables of tests, hypotheses, and what is frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from popnet.files import read_table, reading

if TYPE_CHECKING:
    from anndata import AnnData

# Read as text, whatever they look like.
NAMES = ["phenotype", "cell_type", "analysis", "network", "measure", "name1", "name2", "direction"]


def of_network(table: pd.DataFrame, network: str, analysis: str) -> pd.DataFrame:
    """Return the rows of a network in a table of all networks.

    Controls have no network, programmes are always those of the network "shared", and plain
    correlation alone is plain correlation in both stages.
    """
    if "network" not in table:
        return table
    if analysis == "programmes":
        network = "shared"
    kept = (table["network"] == network) & ((analysis, network) != ("model_edges", "correlation"))
    return table[kept]


def read_claims(path: str | Path) -> pd.DataFrame:
    """Read a file of hypotheses; names are text, "" where there is none."""
    claims = read_table(path, text=NAMES)
    claims[NAMES] = claims[NAMES].fillna("").astype(str)
    return claims


def parts_of(
    frozen: Sequence[tuple[str, str, Sequence[str], Sequence[str]]],
    gene_sets: str | Path,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the second cohort takes from the discovery, for the seal of the hypotheses.

    Parameters
    ----------
    frozen : sequence of (cell type, genes.tsv, basis.json of each model, modules.tsv by network)
    gene_sets : str or Path
        gene_sets.json.
    settings : mapping
        Sections of the config.

    Returns
    -------
    dict
        genes (SHA-256 of their names, by cell type), models (digests of their files, by cell type
        and part), modules (SHA-256 of their genes, by cell type and network), gene_sets (SHA-256 of
        the file) and settings.
    """
    genes: dict[str, str] = {}
    models: dict[str, dict[str, str]] = {}
    modules: dict[str, dict[str, str]] = {}
    for cell_type, table, bases, of_networks in frozen:
        names = read_table(table, text=["gene"])["gene"]
        genes[cell_type] = sha256("\n".join(names).encode()).hexdigest()
        models[cell_type] = {}
        for path in map(Path, bases):
            with reading(path):
                models[cell_type][path.parent.name] = json.loads(path.read_text())["model"]
        modules[cell_type] = {}
        for path in map(Path, of_networks):
            members = read_table(path, text=["gene"])[["module", "gene"]].sort_values("gene")
            text = members.to_csv(sep="\t", index=False)
            modules[cell_type][path.parent.name] = sha256(text.encode()).hexdigest()
    sets = sha256(Path(gene_sets).read_bytes()).hexdigest()
    plain = json.loads(json.dumps(settings))
    lists = {"genes": genes, "modules": modules, "gene_sets": sets}
    return lists | {"models": models, "settings": plain}


def genes_of(summary: AnnData) -> pd.DataFrame:
    """Return, by gene, whether any cell of the summary of a cohort's expression expresses it."""
    rate = np.asarray(summary.layers["detection_rate"])
    return pd.DataFrame({"expressed": (rate > 0).any(axis=0)}, index=summary.var_names)
