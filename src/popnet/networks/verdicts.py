"""What verdicts on measures mean for tests: what is left out, and which network is the headline."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from popnet.files import read_table

VERDICTS = ("measurable", "in part", "not measurable", "unknown")
MEASURABLE, IN_PART, NOT_MEASURABLE, UNKNOWN = VERDICTS
# What a network's edges of a gene add up to: it says whether the network is measurable.
DECIDING = "strength"
# The kernel of the map called k is the measure "map k".
MAP = "map "
# What the analyses test; those that test several measures name them in a column.
TESTED = {
    "centrality": "centrality",
    "gene_sets": "centrality",
    "genes_in_groups": "centrality",
    "edges": "edges",
    "model_edges": "edges",
    "components": "edges",
    "connectivity": "degree",
    "consensus": "degree",
}
# Analyses whose measures have a kind of value in their name.
OF_KINDS = {"programmes": "programme", "modules": "module", "module_types": "module"}


def headline(measures: pd.DataFrame | None, networks: Sequence[str]) -> str:
    """Return the network that figures and findings are about: the first that is measurable.

    No phenotype is looked at. A network is as measurable as the strength of its genes; without a
    measurable one it is the first that is so in part, or the first of all.

    Parameters
    ----------
    measures : DataFrame with columns network, measure, verdict, or None
        measures.tsv; without it the first network is the headline.
    networks : sequence of str
        In the order of the config.
    """
    if measures is None:
        return networks[0]
    verdicts = [verdict_of(measures, network) for network in networks]
    for wanted in (MEASURABLE, IN_PART):
        if wanted in verdicts:
            return networks[verdicts.index(wanted)]
    return networks[0]


def verdict_of(measures: pd.DataFrame, network: str) -> str:
    """Return whether a network is measurable: the verdict on the strength of its genes."""
    deciding = measures[measures["measure"] == DECIDING].set_index("network")["verdict"]
    return str(deciding.get(network, UNKNOWN))


def read_measures(path: str | Sequence[str]) -> pd.DataFrame | None:
    """Read measures.tsv; None of an empty list, where the study has none (preset paper).

    Raises
    ------
    InputError
        If the file is damaged.
    """
    if not path:
        return None
    table = read_table(str(path), text=["network"])
    return table.fillna({"network": ""})


def not_measurable(measures: pd.DataFrame, network: str) -> dict[str, str]:
    """Return the sentences of what a network cannot measure, by measure."""
    rows = measures[(measures["network"] == network) & (measures["verdict"] == NOT_MEASURABLE)]
    return dict(zip(rows["measure"], rows["sentence"], strict=True))


def measure_of(table: pd.DataFrame, analysis: str) -> pd.Series:
    """Return which measure of measures.tsv each row of a table of tests is about.

    Parameters
    ----------
    table : DataFrame
        With a column `measure` (of graph centralities and of expression), `kernel` (of maps) or
        `kind` (of programmes and modules) where rows differ in it.
    analysis : str
    """
    if analysis in TESTED:
        return pd.Series(TESTED[analysis], table.index)
    if analysis in ("expression", "detection"):
        return table["measure"].replace("expression", "mean expression")
    if analysis in OF_KINDS:
        return f"{OF_KINDS[analysis]} " + table["kind"]
    return MAP + table["kernel"] if "kernel" in table else table["measure"]


def beside(
    table: pd.DataFrame, analysis: str, network: str, measures: pd.DataFrame
) -> pd.DataFrame:
    """Return a table of tests with the reliability of what was tested: measure_icc, verdict.

    Parameters
    ----------
    table : DataFrame
        As of :func:`measure_of`.
    analysis : str
    network : str
    measures : DataFrame
        measures.tsv.
    """
    rows = measures[measures["network"] == network].set_index("measure")
    measure = measure_of(table, analysis)
    return table.assign(
        measure_icc=measure.map(rows["icc_sample"]), verdict=measure.map(rows["verdict"])
    )
