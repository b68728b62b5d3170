"""The methods of a study in paragraphs that a paper can take, with what was really run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from popnet import presets
from popnet.names import NETWORKS
from popnet.report.references import REFERENCES
from popnet.report.results import Results
from popnet.report.sections import Section

CITED = re.compile(r"\[(\w+)\]")
EDGES = {
    "model": "the covariance that the model explains",
    "inner": "the inner product of the genes' loadings",
    "cosine": "the cosine of the genes' loadings",
    "distance": "the Euclidean distance of the genes' loadings",
}
# Of estimators without a model.
WORDS = {
    "correlation": "Pearson's correlation",
    "components": "principal components of all samples' cells",
    "spearman": "Spearman's correlation",
    "cs-core": "CS-CORE [cscore]",
    "clr": "CLR [clr]",
    "mrnet": "MRNET [mrnet]",
    "aracne": "ARACNE [aracne]",
}


def section(results: Results) -> Section | None:
    """Return the methods, and versions and hardware; None of a study without a record of itself."""
    record = results.record("cohort.json")
    if record is None:
        return None
    first = next(iter(results.cell_types))
    designs = [
        table
        for cell_type, phenotype in product(results.cell_types, results.phenotypes)
        if (table := results.table(_design(results, cell_type, phenotype))) is not None
    ]
    paragraphs, references = cited(
        [
            _cells(results, record, results.table("bins.tsv"), results.table("samples.tsv")),
            _networks(record, results.networks, results.table(f"{first}/genes.tsv")),
            _reliability(record, results),
            _tests(record, designs, results.networks),
            _software(record),
        ]
    )
    versions = {name: version for name, version in record["versions"].items() if version}
    shown = {
        "paragraphs": paragraphs,
        "references": references,
        "versions": versions | {"commit": record["commit"] or "unknown"},
        "hardware": hardware(record),
    }
    return Section("methods", "Methods", "methods.html.j2", shown, scripts=("methods.js",))


def cited(paragraphs: Iterable[Iterable[str]]) -> tuple[list[str], list[str]]:
    """Return paragraphs with numbers for the keys of references, and these in that order.

    Parameters
    ----------
    paragraphs : iterable of iterable of str
        Sentences, with keys of `REFERENCES` in square brackets.
    """
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        if found[1] not in REFERENCES:
            return found[0]
        return f"[{numbers.setdefault(found[1], len(numbers) + 1)}]"

    texts = [CITED.sub(number, " ".join(sentences)) for sentences in paragraphs]
    return list(filter(None, texts)), [REFERENCES[key] for key in numbers]


def hardware(record: Mapping[str, Any]) -> list[str]:
    """Return on what models were trained, and the machine that wrote the record."""
    lines = [
        f"{row['n_models']:,} models trained on {row['device']}"
        + (f", {row['hours']:.3g} hours" if row["hours"] >= 0.05 else "")
        for row in record.get("trained_on", ())
    ]
    machine = record.get("machine")
    if machine:
        memory = f", {machine['memory_gb']:g} GB of memory" if machine["memory_gb"] else ""
        lines.append(
            f"results gathered on {machine['processor']} with {machine['cores']} cores{memory}, "
            f"{machine['system']}"
        )
    return lines


def _design(results: Results, cell_type: str, phenotype: str) -> str:
    network = results.headlines[cell_type]
    return f"{cell_type}/associations/{phenotype}/{network}/design.tsv"


def _cells(
    results: Results,
    record: Mapping[str, Any],
    bins: pd.DataFrame | None,
    samples: pd.DataFrame | None,
) -> list[str]:
    if bins is None or samples is None:
        return []
    config = record["config"]
    kept = samples[samples["sample"].isin(bins["sample"])]
    n_samples, n_donors = len(kept), kept["donor"].fillna(kept["sample"]).nunique()
    of = f"{_n(n_samples, 'sample')} of {_n(n_donors, 'donor')}"
    with_popnet = f"popnet {record['versions']['popnet']} (preset {record['preset']})"
    if not results.study["has_cells"]:
        return [f"Networks of {of}, made with other software, were compared with {with_popnet}."]
    types = ", ".join(results.cell_types.values())
    left_out = len({row["sample"] for row in record["excluded"]} - set(kept["sample"]))
    sentences = [
        f"{bins['n_cells'].sum():,} cells of {of} were analysed with {with_popnet}, each cell type "
        f"by itself ({types}).",
        f"The cells of each sample were divided at random into bins of {config['bins']['size']:,} "
        f"cells ({len(bins):,} bins); cells that filled no bin were left out"
        + (f", and with them {_n(left_out, 'sample')}." if left_out else "."),
    ]
    if presets.matches_depth(config):
        sentences.append(
            "Counts of each cell type were thinned at random to the same distribution of total "
            "counts in all samples."
        )
    regressed = " and ".join(one.replace("_", " ") for one in config["genes"]["regress"])
    return [
        *sentences,
        "Counts were scaled to 10,000 per cell, log(1 + x) transformed"
        + (f", regressed on {regressed}" if regressed else "")
        + " and standardised within each sample.",
    ]


def _networks(
    record: Mapping[str, Any], networks: Sequence[str], genes: pd.DataFrame | None
) -> list[str]:
    config = record["config"]
    sentences = []
    if genes is not None:
        chosen = config["genes"]
        keep = ", ".join(chosen["keep"])
        sentences.append(
            f"Networks are of {len(genes):,} genes: at most {chosen['cohort']:,} that vary most "
            f"over all samples, at most {chosen['sample']:,} that vary most in each sample"
            + (f", and those that match {keep}." if keep else ".")
        )
    shared = [one for one in record["shared_models"].values() if one["part"] == "all"]
    if shared:
        sentences += [
            f"One siVAE [sivae] per cell type was trained on cells of all donors, the same number "
            f"of each: {_trained(shared[0]['settings'])}. Two more were trained on half of the "
            "cells each, so that errors are of cells that a model did not see.",
        ]
    if "shared" in networks:
        sentences.append(
            "In its gene space, which all samples share, a bin's network (network 'shared') is the "
            "covariance of genes that follows from the covariance of the bin's cells."
        )
    if "sivae" in networks:
        start = "started from that of the cohort" if shared else "was trained from scratch"
        plan = "" if shared else f" ({_planned(config)})"
        sentences.append(
            f"A siVAE of each bin {start}{plan} (network 'sivae'); its edges go by "
            f"{EDGES[presets.edge_definition(config)]}."
        )
    plain = [WORDS[one] for one in networks if one in WORDS]
    if plain:
        sentences.append(f"Networks by {_listed(plain)} were made of the same cells.")
    own = [one for one in networks if one not in NETWORKS]
    if own:
        sentences.append(f"Networks made with other software: {_listed(own)}.")
    if len(own) < len(networks):
        size = config["networks"]
        among = size["central_genes"]
        sentences.append(
            f"The strongest {100 * size['closest']:.3g} % of gene pairs are edges, among "
            + ("all genes." if among == "all" else f"the {among} most central genes of every bin.")
        )
        sentences.append(
            "Degree centrality of a gene is the negative error with which a model of the network "
            "reconstructs it, or without a model its mean absolute weight."
        )
    return sentences


def _trained(settings: Mapping[str, Any]) -> str:
    """Return the settings of a model in words, without those that are left to a plan."""
    hidden = ", ".join(map(str, settings["hidden"]))
    parts = [
        f"{settings['latent']} latent dimensions",
        f"hidden layers of {hidden} units",
        f"interpretability weight γ = {settings['gamma']:g}",
        f"minibatches of {settings['minibatch']} cells",
        f"{100 * settings['heldout']:.3g} % of the cells held out",
    ]
    if settings["kl"] is not None:
        parts.append(f"KL weight {settings['kl']:g}")
    if settings["steps"] is not None:
        steps = " + ".join(f"{one:,}" for one in settings["steps"])
        parts.append(f"{steps} steps (cell-wise, feature-wise, joint)")
    if settings["learning_rate"] is not None:
        parts.append(f"Adam with a learning rate of {settings['learning_rate']:g}")
    return ", ".join(parts)


def _planned(config: Mapping[str, Any]) -> str:
    """Return the settings of a model in words, with the plan that has those that are left."""
    plan = presets.training_plan(config)
    return f"{_trained(presets.sivae(config))}; all else by the training plan '{plan}'"


def _reliability(record: Mapping[str, Any], results: Results) -> list[str]:
    sentences = []
    for cell_type, name in results.cell_types.items():
        table = results.table(f"{cell_type}/networks/measures.tsv")
        if table is None:
            continue
        network = results.headlines[cell_type]
        row = table[(table["network"] == network) & (table["measure"] == "strength")]
        if len(row) and pd.notna(row["icc_sample"].iloc[0]):
            sentences.append(
                f"In {name} the headline network is {NETWORKS.get(network, network)}: ICC of the "
                f"strength of its genes {row['icc_sample'].iloc[0]:.2f} (median gene, mean over a "
                f"sample's bins), {row['verdict'].iloc[0]}."
            )
    if not sentences:
        return []
    statistics = record["config"]["statistics"]
    left = "and what is not measurable was not tested."
    if statistics["test_unmeasurable"]:
        left = "and what is not measurable was tested nevertheless."
    return [
        "What networks measure was judged before any phenotype was read, by the intraclass "
        "correlation (ICC) over bins of a sample [icc] given depth, batch and mean expression; a "
        f"measure whose median gene has an ICC of {statistics['min_icc']:g} or more is called "
        f"measurable, {left}",
        *sentences,
    ]


def _tests(
    record: Mapping[str, Any], designs: Sequence[pd.DataFrame], networks: Sequence[str]
) -> list[str]:
    statistics = record["config"]["statistics"]
    fdr = f"{statistics['fdr']:g}"
    if presets.unit(record["preset"]) == "bin":
        return [
            "As in the original study [sivae], every bin counted as one observation and nothing "
            "was adjusted for. Continuous phenotypes were tested by Spearman's correlation, binary "
            "ones by Wilcoxon's rank sum, gene sets by permuting genes [gsea].",
            f"q values are Benjamini and Hochberg's [fdr]; {fdr} was called significant.",
        ]
    adjusted = sorted(
        {
            item.strip()
            for table in designs
            for value in table.loc[table["item"] == "adjusted for", "value"].dropna()
            for item in str(value).split(",")
        }
    )
    given = f", adjusted for {_listed(adjusted)}" if adjusted else ""
    sentences = [
        "The observation is the donor, or the donor at one value of the phenotype, with the mean "
        "over bins.",
        f"Values of genes, of pairs of genes and of groups of genes were tested by a linear mixed "
        f"model{given}: donor, batch and the number of bins and cells are random effects, whose "
        "ratios to the residual variance are estimated from all genes together by restricted "
        "maximum likelihood; t is moderated [limma].",
    ]
    if "shared" in networks:
        sentences.append(
            "Programmes are the principal directions of what the cohort's siVAE explains, rotated "
            "by varimax [varimax]."
        )
    if not set(networks).isdisjoint(NETWORKS):
        sentences += [
            "Modules were found in the mean network by the Leiden algorithm [leiden].",
            "A pair of genes is called where its weight changes (q) and, among such pairs, the "
            "plain correlation in the same cells changes in the same direction (one-sided, with a "
            "q of its own).",
        ]
    return [
        *sentences,
        f"Gene sets were tested by enrichment [gsea] with {statistics['permutations']:,} "
        "permutations of the phenotype between donors of a batch, or within donors.",
        f"q values are Benjamini and Hochberg's [fdr] within one analysis; {fdr} was called "
        "significant. Over all analyses of the study, families of tests were selected first "
        "[families]. Hits by chance were counted under 20 permuted phenotypes [rotation].",
    ]


def _software(record: Mapping[str, Any]) -> list[str]:
    known = {name: one for name, one in record["versions"].items() if one and name != "popnet"}
    versions = _listed([f"{name} {version}" for name, version in known.items()])
    commit = f", commit {record['commit']}" if record["commit"] else ""
    return [
        f"The workflow (popnet {record['versions']['popnet']}{commit}) ran in Snakemake "
        f"[snakemake] with {versions}. All random numbers follow from the seed {record['seed']}.",
    ]


def _n(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def _listed(items: Sequence[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
