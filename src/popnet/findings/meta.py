"""What several studies have in common, in numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from popnet.findings.rows import finding


def meta_rows(table: pd.DataFrame, fdr: float) -> Iterator[dict[str, object]]:
    """Yield what the studies found together, a row per network.

    Parameters
    ----------
    table : DataFrame
        Of :func:`popnet.associations.studies.studies_combined`, with a column network.
    fdr : float
        Largest q of a hit.

    Yields
    ------
    dict
        network, n_studies (most of a gene), tested, significant, strongest, smallest_q (of q);
        random (hits of random_q), heterogeneous (of heterogeneity_q), replicated (hits of q that
        have one direction in all studies, and heterogeneity_p above 0.05), median_i2.
    """
    for network, own in table.groupby("network", sort=False):
        hits = own["q"] <= fdr
        alike = (own["same_direction"] == own["n_studies"]) & (own["heterogeneity_p"] > 0.05)
        found = finding("", own, ["gene"], fdr)
        del found["analysis"]
        yield {
            "network": network,
            "n_studies": int(own["n_studies"].max()),
            **found,
            "replicated": int((hits & alike).sum()),
            "random": int((own["random_q"] <= fdr).sum()),
            "heterogeneous": int((own["heterogeneity_q"] <= fdr).sum()),
            "median_i2": own["i2"].median(),
        }
