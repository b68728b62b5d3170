"""What the page of findings says beside its table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

NAMED = 10


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
