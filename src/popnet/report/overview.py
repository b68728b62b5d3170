"""The top of the page: the study in a paragraph, and a verdict on each cell type and phenotype."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from popnet import __version__
from popnet.findings import verdicts as say
from popnet.findings.sentences import no_better_than_chance
from popnet.names import NETWORKS
from popnet.networks.verdicts import DECIDING, UNKNOWN, verdict_of
from popnet.report.results import Results
from popnet.report.sections import Section

TABLES = (
    *("centrality", "gene_sets", "connectivity", "programmes", "modules"),
    *("graph_centrality", "edges"),
)
CONTROLS = ("expression", "composition")
# Of each light: a sign that can be told without its colour.
SIGNS = {say.FOUND: "●", say.DOUBT: "◐", say.NOTHING: "○", say.UNTESTED: "–"}
ANY_LEVEL = "{}: any level"
SIGNS |= {"measurable": "●", "in part": "◐", "not measurable": "○", UNKNOWN: "–"}


def section(results: Results) -> Section:
    """Return the top of the page."""
    findings = results.read("findings.tsv")
    verdicts = []
    for cell_type in results.cell_types:
        verdicts += [_verdict(results, findings, cell_type, one) for one in results.phenotypes]
        verdicts += [_of_levels(results, findings, cell_type, one) for one in results.levels]
    shown = {
        "sentences": _study(results),
        "measurable": [_measurable(results, one) for one in results.cell_types],
        "verdicts": verdicts,
        "cell_types": list(results.cell_types.values()),
        "phenotypes": [
            *(one["name"] for one in results.phenotypes.values()),
            *map(ANY_LEVEL.format, results.levels.values()),
        ],
        "signs": SIGNS,
        "warnings": _warnings(results) + no_better_than_chance(findings, results.fdr),
    }
    return Section("overview", "What was found", "overview.html.j2", shown)


def about(phenotype: dict[str, Any]) -> say.Compared:
    """Return how sentences speak of a phenotype."""
    binary = phenotype["type"] == "binary"
    ends = (
        (phenotype["case"] or "cases", phenotype["control"] or "controls") if binary else ("", "")
    )
    return say.Compared(phenotype["name"], *ends)


def design(results: Results, cell_type: str, phenotype: str) -> dict[str, str]:
    """Return what the headline network's tests of a phenotype compare: item to value."""
    network = results.headlines[cell_type]
    table = results.table(f"{cell_type}/associations/{phenotype}/{network}/design.tsv")
    return (
        {} if table is None else dict(zip(table["item"], table["value"].astype(str), strict=True))
    )


def _study(results: Results) -> list[str]:
    study, bins, samples = results.study, results.read("bins.tsv"), results.read("samples.tsv")
    kept = samples[samples["sample"].isin(bins["sample"])]
    donors = kept["donor"].fillna(kept["sample"]).nunique()
    cells = f"{bins['n_cells'].sum():,.0f} cells of " if study["has_cells"] else ""
    types = _n(len(results.cell_types), "cell type")
    sized = f" of {study['size']:,} cells" if study["has_cells"] else ""
    first = (
        f"{cells}{_n(len(kept), 'sample')} from {_n(donors, 'donor')}, in {types} and "
        f"{_n(len(bins), 'bin')}{sized}."
    )
    networks = ", ".join(NETWORKS.get(one, one) for one in results.networks)
    second = (
        f"Networks: {networks}. Preset {study['preset']}, popnet {__version__}, page written on "
        f"{date.today():%d %B %Y}."
    )
    text = study["description"].strip()
    return [*([text if text.endswith(".") else f"{text}."] if text else []), first, second]


def _measurable(results: Results, cell_type: str) -> dict[str, str]:
    network = results.headlines[cell_type]
    table = results.table(f"{cell_type}/networks/measures.tsv")
    words = NETWORKS.get(network, network)
    name = results.cell_types[cell_type]
    if table is None:
        text = "it was not asked (preset paper)"
        return {"cell_type": name, "network": words, "light": UNKNOWN, "sentence": text}
    own = table[(table["network"] == network) & (table["measure"] == DECIDING)]
    light = verdict_of(table, network)
    # The sentence begins with the verdict.
    sentence = own["sentence"].iloc[0].removeprefix(light).lstrip(": ") if len(own) else ""
    return {"cell_type": name, "network": words, "light": light, "sentence": sentence}


def _verdict(
    results: Results, findings: pd.DataFrame, cell_type: str, phenotype: str
) -> dict[str, Any]:
    network, fdr = results.headlines[cell_type], results.fdr
    defined = results.phenotypes[phenotype]
    light, reason = say.light(_rows(results, findings, cell_type, defined["name"]), fdr)
    tables = {}
    for name in TABLES:
        table = results.tests(cell_type, phenotype, name)
        if table is not None:
            tables[name] = table[table["network"] == network]
    maps = results.table(f"{cell_type}/map/{network}/tests.tsv")
    if maps is not None:
        tables["map"] = maps[maps["phenotype"] == defined["name"]]
    controls = {
        name: table
        for name in CONTROLS
        if (table := results.tests(cell_type, phenotype, name)) is not None
    }
    genes = tables["centrality"]["gene"] if "centrality" in tables else ()
    sets = results.gene_sets(list(genes))
    items = design(results, cell_type, phenotype)
    words = about(dict(defined))
    return {
        "id": f"verdict-{cell_type}-{phenotype}",
        "cell_type": results.cell_types[cell_type],
        "phenotype": defined["name"],
        "description": defined["description"],
        "light": light,
        "reason": reason,
        "sentences": [
            *say.sentences(tables, sets, words, results.study["preset"], fdr),
            *say.beside(controls, words, fdr),
            *say.halves(items),
        ],
        "missed": say.missed(items, defined["type"] == "binary"),
    }


def _of_levels(
    results: Results, findings: pd.DataFrame, cell_type: str, phenotype: str
) -> dict[str, Any]:
    """Return the verdict on whether any level of a categorical phenotype differs."""
    name = results.levels[phenotype]
    light, reason = say.light(_rows(results, findings, cell_type, name), results.fdr)
    return {
        "id": f"verdict-{cell_type}-{phenotype}",
        "cell_type": results.cell_types[cell_type],
        "phenotype": ANY_LEVEL.format(name),
        "description": "All levels are tested together; each contrast has a verdict of its own.",
        "light": light,
        "reason": reason,
        "sentences": [],
        "missed": [],
    }


def _rows(results: Results, findings: pd.DataFrame, cell_type: str, phenotype: str) -> pd.DataFrame:
    """Return the findings of a cell type's headline network and a phenotype, given its name."""
    return findings[
        (findings["cell_type"] == results.cell_types[cell_type])
        & (findings["phenotype"] == phenotype)
        & findings["network"].isin([results.headlines[cell_type], ""])
    ]


def _n(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def _warnings(results: Results) -> list[str]:
    found = []
    for phenotype, defined in results.phenotypes.items():
        for cell_type, name in results.cell_types.items():
            network = results.headlines[cell_type]
            table = results.table(f"{cell_type}/associations/{phenotype}/{network}/design.tsv")
            if table is not None:
                texts = table.loc[table["item"] == "warning", "value"]
                found += [f"{defined['name']} in {name}: {text}." for text in texts]
    return found
