"""What the page of findings says beside its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from popnet.names import NETWORKS
from popnet.networks.measures import IN_PART, MEASURABLE, headline, verdict_of

NAMED = 10
# What an edge of each network is, for a reader who knows none of the methods.
EDGES = {
    "shared": "how far the expression of two genes varies together over a sample's cells, as one "
    "siVAE explains it that was trained on cells of all samples",
    "sivae": "how far two genes go together over the cells of a bin, as a siVAE trained on that "
    "bin says",
    "correlation": "the plain correlation of the expression of two genes over a sample's cells",
    "components": "how far the expression of two genes varies together over a sample's cells, as "
    "principal components explain it that all samples share",
    "spearman": "the rank correlation of the expression of two genes over a sample's cells",
    "cs-core": "the correlation of the expression behind the counts of two genes, corrected for "
    "sequencing depth, over a sample's cells",
    "clr": "how far the mutual information of two genes, over a sample's cells, is above that of "
    "each with other genes",
    "mrnet": "the mutual information of two genes, over a sample's cells, that other genes do not "
    "already give",
    "aracne": "the mutual information of two genes over a sample's cells, without pairs that a "
    "third gene explains",
}


def remarks(excluded: pd.DataFrame, *, preset: str, fdr: float) -> list[str]:
    """Return how to read the findings, and which samples and bins are left out.

    Parameters
    ----------
    excluded : DataFrame with columns cell_type, sample, reason
        excluded.tsv.
    preset : str
    fdr : float
    """
    no_bin = excluded[excluded["reason"].str.startswith("no bin")]
    untrained = excluded[excluded["reason"].str.contains(" did not train: ", regex=False)]
    return [
        f"Preset {preset}. A finding is significant at a false discovery rate of {fdr:.0%} within "
        "its row (connected components: by the family-wise P; mtDNA against wiring: within each "
        "analysis). A name in brackets is the best of a row without a significant finding.",
        *(
            f"{cell_type}: samples that fill no bin and are left out: {len(rows)} "
            f"({', '.join(rows['sample'].head(NAMED))}{', …' if len(rows) > NAMED else ''})."
            for cell_type, rows in no_bin.groupby("cell_type", sort=False)
        ),
        *(
            f"{cell_type}: bins that did not train and are left out: {len(rows)}, see excluded.tsv."
            for cell_type, rows in untrained.groupby("cell_type", sort=False)
        ),
        "Mean expression or sequencing depth may explain why a gene's centrality is associated "
        "with the phenotype: see the column explained_by of its table.",
        "associations.tsv corrects the tests of centrality for all cell types and phenotypes at "
        "once.",
    ]


def network_sentences(
    cell_type: str, network: str, size: int, similarity: pd.DataFrame, reliability: pd.DataFrame
) -> list[str]:
    """Return what a network of a cell type is, and how much of it is reproducible.

    Parameters
    ----------
    cell_type : str
    network : str
        A key of `EDGES`.
    size : int
        Cells per bin.
    similarity : DataFrame with columns kernel, within_samples, within_donors and so on
        map/<network>/reliability.tsv.
    reliability : DataFrame, with a column strength_icc where strengths were gathered
        networks/<network>/reliability.tsv.
    """
    jaccard = similarity.set_index("kernel").loc["edge_jaccard"]
    strength = reliability.get("strength_icc", pd.Series(dtype=float)).median()
    first = (
        f"{cell_type}: the weight of an edge is {EDGES[network]}; the strongest pairs are the "
        "network's edges."
    )
    within = jaccard["within_samples"]
    if not pd.notna(within):
        return [
            first,
            f"No sample of {cell_type} has two bins, so that how much of a network is reproducible "
            "is unknown: smaller bins would show it.",
        ]
    kinds = ["within_donors", "within_batches", "between_batches"]
    pairs = jaccard[[f"n_{kind}" for kind in kinds]].fillna(0).to_numpy(float)
    between = float((jaccard[kinds].fillna(0).to_numpy(float) * pairs).sum() / pairs.sum())
    second = (
        f"Two bins of {size:,} cells of one sample share {within:.0%} of their edges, bins of two "
        f"samples {between:.0%}"
    )
    if pd.notna(strength):
        second += (
            "; of the differences between samples in a gene's strength, "
            f"{max(strength, 0):.0%} (median gene) would come back with other cells"
        )
    return [first, f"{second}."]


def headline_sentence(cell_type: str, measures: pd.DataFrame, networks: Sequence[str]) -> str:
    """Return which network the findings of a cell type begin with, and why.

    Parameters
    ----------
    cell_type : str
    measures : DataFrame
        measures.tsv.
    networks : sequence of str
        In the order of the config.
    """
    chosen = headline(measures, networks)
    verdict = verdict_of(measures, chosen)
    why = "no network is known to be measurable, and it is the first of the config"
    if verdict == MEASURABLE:
        why = "it is the first whose gene strengths are measurable"
    elif verdict == IN_PART:
        why = "no gene strengths are fully measurable, and it is the first where they are in part"
    shown = f" Figures show {NETWORKS[networks[0]]}." if chosen != networks[0] else ""
    return (
        f"{cell_type}: findings begin with {NETWORKS[chosen]}: {why}. This was decided blind to "
        f"phenotypes.{shown}"
    )


def measured(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what can be measured of all cell types, as the page shows it.

    Parameters
    ----------
    tables : mapping of cell type to DataFrame
        measures.tsv.
    """
    table = pd.concat(
        [one.assign(cell_type=cell_type) for cell_type, one in tables.items()], ignore_index=True
    )
    quartiles = [
        "" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
        for low, high in zip(table["lower_quartile"], table["upper_quartile"], strict=True)
    ]
    return pd.DataFrame(
        {
            "cell type": table["cell_type"],
            "network": table["network"],
            "measure": table["measure"],
            "is it measurable?": table["sentence"],
            "ICC of a sample, median gene": table["icc_sample"],
            "quartiles": quartiles,
            "ICC of a bin": table["icc_bin"],
            "AUROC of bins": table["auroc"],
            "P": table["p"],
            "bins that find their sample": table["fingerprint"],
            "by chance": table["chance"],
        }
    )


def unused_dimensions(cell_type: str, active: Mapping[str, float], latent: int) -> list[str]:
    """Return a warning for every model of which most latent dimensions are switched off.

    Parameters
    ----------
    cell_type : str
    active : mapping of model to float
        Latent dimensions that the scores use.
    latent : int
        All of them.
    """
    return [
        f"{cell_type}: {model} uses {n:.0f} of {latent} latent dimensions; the others are switched "
        "off, and with them new wiring of few cells or genes. Lower sivae.kl."
        for model, n in active.items()
        if n < latent / 2
    ]


def compared(
    designs: Iterable[tuple[str, str, pd.DataFrame, pd.DataFrame]],
) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
    """Return warnings, what every test of centrality compares, and the covariates.

    Parameters
    ----------
    designs : iterable of (cell type, phenotype, design, covariates)
        The tables design.tsv (item, value) and covariates.tsv of every phenotype.

    Returns
    -------
    list of str
        The designs' warnings, as sentences.
    DataFrame
        One row per phenotype and cell type, with a column per item of the designs.
    DataFrame
        The tables of covariates, one below the other.
    """
    warnings, described, covariates = [], [], []
    for cell_type, phenotype, design, of_design in designs:
        warned = design["item"] == "warning"
        warnings += [f"{phenotype} in {cell_type}: {text}." for text in design.loc[warned, "value"]]
        about = {"phenotype": phenotype, "cell type": cell_type}
        described.append(about | design[~warned].set_index("item")["value"].to_dict())
        covariates.append(pd.DataFrame(about, of_design.index).join(of_design))
    return warnings, pd.DataFrame(described).fillna(""), pd.concat(covariates, ignore_index=True)
