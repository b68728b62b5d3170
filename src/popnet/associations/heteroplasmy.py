"""The load of heteroplasmy against a phenotype; the paper did not test it."""

from __future__ import annotations

import pandas as pd

from popnet.associations.testing import Testing
from popnet.genotypes.genomes import heteroplasmy_load
from popnet.genotypes.table import Genotypes
from popnet.stats.designs import Design


def robust(genomes: Genotypes, design: Design, testing: Testing) -> pd.DataFrame:
    """Test the load of heteroplasmy, by permutation.

    Parameters
    ----------
    genomes, design, testing
        As in :func:`popnet.associations.variants.robust`.

    Returns
    -------
    DataFrame of two rows
        measure (see `heteroplasmy_load`) statistic p q p_family mean n n_permutations.
    """
    load = heteroplasmy_load(genomes)
    table = testing.permute("heteroplasmy", load.to_numpy(), design).table
    table.insert(0, "measure", list(load.columns))
    table.insert(5, "mean", load.mean().to_numpy())
    return table
