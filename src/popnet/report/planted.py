"""Of a simulated study: what was planted, and beside it what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from popnet.findings.rows import is_explained
from popnet.findings.verdicts import CONTROLS
from popnet.report.results import Results
from popnet.report.sections import Section

TRUTH = "simulated/truth.json"
FOUND, IN_PART, MISSED = "found", "in part", "missed"


def section(results: Results) -> Section | None:
    """Return what was planted and what was found; None of real cells."""
    truth = results.record(TRUTH)
    if truth is None:
        return None
    safe = {name: folder for folder, name in results.cell_types.items()}.get(truth["cell_type"])
    folders = {one["name"]: folder for folder, one in results.phenotypes.items()}
    wanted = [truth["phenotype"], truth["binary_phenotype"]]
    if safe is None or not set(wanted) <= set(folders):
        return None
    rows = []
    for name, sign in zip(wanted, (1, -1), strict=True):
        # Cases of the binary phenotype are those of a low value of the other.
        rows += _of_phenotype(results, safe, name, folders[name], sign, truth)
    rows += _hubs(results, safe, truth)
    if truth["null_phenotype"] in folders:
        rows += _null(results, truth["null_phenotype"])
    shown = {"rows": rows, "null": truth["null_phenotype"]}
    return Section("planted", "Planted and found", "planted.html.j2", shown)


def _of_phenotype(
    results: Results, cell_type: str, name: str, folder: str, sign: int, truth: Mapping[str, Any]
) -> list[dict[str, str]]:
    network, fdr = results.headlines[cell_type], results.fdr
    wiring, rising = truth["connectivity"], truth["mean_expression"]
    rows = []

    def of_network(table: str) -> pd.DataFrame:
        tests = results.read(f"{cell_type}/associations/{folder}/{table}.tsv")
        return tests[tests["network"] == network]

    genes = of_network("centrality").set_index("gene")
    hits = genes[genes["q"] <= fdr]
    planted = [gene for gene in wiring["complexes"] if gene in genes.index]
    way = wiring["direction"] * sign
    right = hits.index.isin(planted) & (hits["statistic"] * way > 0)
    rows.append(
        _row(
            name,
            f"{len(planted)} mitochondrial genes {_moves(way)} centrality",
            f"{right.sum()} of them; {len(hits) - right.sum()} other genes "
            f"({', '.join(hits.index[~right][:4]) or 'none'})",
            right.sum() / max(len(planted), 1),
        )
    )
    edges = of_network("connectivity").query("gene_set == 'MT' and kind == 'between_complexes'")
    for row in edges.to_dict("records"):
        called = row["q"] <= fdr and row["statistic"] * way > 0
        rows.append(
            _row(
                name,
                f"The number of edges between respiratory complexes {_falls(way)}",
                f"statistic {row['statistic']:.2f}, q {row['q']:.2g}",
                float(called),
            )
        )
    expression = results.tests(cell_type, folder, "expression")
    if expression is not None:
        means = expression[expression["measure"] == "expression"].set_index("gene")
        trap = [gene for gene in rising["genes"] if gene in means.index]
        up = means.loc[trap]
        n_up = int(((up["q"] <= fdr) & (up["statistic"] * rising["direction"] * sign > 0)).sum())
        wrong = hits[hits.index.isin(trap)]
        n_wrong, n_explained = len(wrong), int(is_explained(wrong).sum())
        rows.append(
            _row(
                name,
                f"A trap: {len(trap)} genes whose mean expression alone {_falls(sign)}",
                f"{n_up} in mean expression; {n_wrong} hits of centrality, "
                f"{n_explained} of them marked as explained by something else",
                1.0 if n_wrong - n_explained <= 1 else 0.0,
            )
        )
    burden = results.table(f"variants/{folder}/burden.tsv")
    if burden is not None:
        tested = burden.dropna(subset=["p"]).sort_values("p").reset_index(drop=True)
        own = tested[tested["gene"] == truth["burden"]["gene"]]
        if len(own):
            rows.append(
                _row(
                    name,
                    f"Rare variants in {truth['burden']['gene']}",
                    f"rank {own.index[0] + 1} of {len(tested)} genes, q {own['q'].iloc[0]:.2g}",
                    float(own["q"].iloc[0] <= fdr),
                )
            )
    return rows


def _hubs(results: Results, cell_type: str, truth: Mapping[str, Any]) -> list[dict[str, str]]:
    table = results.read(results.of_network(cell_type, "centrality.tsv"))
    central = table.set_index("gene").mean(axis=1)
    n_first = 0
    for hub in truth["hubs"]:
        spokes = [spoke for end, spoke in truth["edges"] if end == hub and spoke in central.index]
        n_first += bool(hub in central.index and (central[hub] > central[spokes]).all())
    return [
        _row(
            "",
            f"Hubs of {len(truth['hubs'])} communities: {', '.join(truth['hubs'])}",
            f"{n_first} are more central than all genes of their community",
            n_first / len(truth["hubs"]),
        )
    ]


def _null(results: Results, name: str) -> list[dict[str, str]]:
    findings = results.read("findings.tsv")
    own = findings[(findings["phenotype"] == name) & ~findings["analysis"].isin(CONTROLS)]
    stand = int(own["significant_in_study"].fillna(0).sum())
    n_hits = int(own["significant"].sum())
    return [
        _row(
            name,
            "Nothing: a null phenotype, associated with nothing",
            f"{n_hits} hits in {int(own['tested'].sum()):,} tests of {len(own)} analyses, "
            f"{stand} that stand over the whole study",
            1.0 if stand == 0 else 0.0,
        )
    ]


def _row(phenotype: str, planted: str, found: str, share: float) -> dict[str, str]:
    light = FOUND if share >= 0.75 else IN_PART if share > 0 else MISSED
    if planted.startswith(("A trap", "Nothing")):
        light = "as it should be" if share else "a false finding"
    return {"phenotype": phenotype, "planted": planted, "found": found, "light": light}


def _moves(way: int) -> str:
    return "lose" if way < 0 else "gain"


def _falls(way: int) -> str:
    return "falls" if way < 0 else "rises"
