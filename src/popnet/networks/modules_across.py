"""The modules of one cell type in the cells of another, and in its own, by the same genes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from popnet.networks.estimators import Estimator
from popnet.networks.modules import MIN_GENES, Modules, module_values, value_columns

# The kinds that are compared; the eigengene mostly says what density says.
KINDS = ("density", "coupling")


def across_types(modules: Mapping[str, Modules], own: str, estimator: Estimator) -> AnnData:
    """Return density and coupling of modules in the bins of a cell type.

    For every other cell type: of its modules and of the own, both by the genes that are in the
    graphs of both cell types. Modules of which fewer than five such genes are left are not among
    them.

    Parameters
    ----------
    modules : mapping of cell type to Modules
    own : str
        The cell type of the bins.
    estimator : Estimator
        Of its bins.

    Returns
    -------
    AnnData of shape (n_bins, n_values)
        X; layers["relative"]: over the root mean square of the weights of all pairs of the common
        genes in the bin, since weights of all pairs may be larger in one cell type, as with more
        counts; var: of (the cell type that the module was found in), other (the cell type that it
        is compared with), kind, module1, module2 (the same where it is of one), n_genes (of
        module1, in both graphs).
    """
    genes = modules[own].genes
    nodes = estimator.centrality.genes.get_indexer(genes)
    parts = [
        (common, numbers, members, columns)
        for other in modules
        if other != own
        for common in [genes.isin(modules[other].genes)]
        for of, beside in ((own, other), (other, own))
        for numbers, members in [_members(modules[of], genes, common)]
        for columns in [_columns(numbers, members).assign(of=of, other=beside)]
    ]
    values, relative = [], []
    for row in range(len(estimator.centrality.bins)):
        weights = np.mean(estimator.weigh(row, nodes), axis=0)
        plain, scaled = [np.zeros(0)], [np.zeros(0)]
        for common, numbers, members, _ in parts:
            found = module_values(weights, members)[_kept(numbers)]
            among = weights[np.ix_(common, common)]
            pairs = max(len(among) * (len(among) - 1), 1)
            scale = np.sqrt((among.astype(float) ** 2).sum() / pairs)
            plain.append(found)
            scaled.append(found / scale if scale > 0 else np.full_like(found, np.nan))
        values.append(np.concatenate(plain))
        relative.append(np.concatenate(scaled))
    names = ["of", "other", "kind", "module1", "module2", "n_genes"]
    columns = pd.concat([pd.DataFrame(columns=names), *(part[-1] for part in parts)])[names]
    columns = columns.astype({"module1": int, "module2": int, "n_genes": int})
    shape = len(values), len(columns)
    return AnnData(
        np.reshape(values, shape).astype(np.float32),
        obs=estimator.centrality.bins.set_index("name"),
        var=columns.set_axis([str(number) for number in range(len(columns))]),
        layers={"relative": np.reshape(relative, shape).astype(np.float32)},
    )


def _members(
    modules: Modules, genes: pd.Index, common: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the stable modules with enough common genes, and which genes are in each."""
    of_gene = pd.Series(modules.module, modules.genes).reindex(genes).fillna(0).to_numpy(int)
    of_gene = np.where(common, of_gene, 0)
    members = of_gene[:, None] == modules.stable
    enough = members.sum(axis=0) >= MIN_GENES
    return modules.stable[enough], members[:, enough]


def _kept(numbers: np.ndarray) -> np.ndarray:
    kept: np.ndarray = value_columns(numbers)["kind"].isin(KINDS).to_numpy()
    return kept


def _columns(numbers: np.ndarray, members: np.ndarray) -> pd.DataFrame:
    columns = value_columns(numbers)[_kept(numbers)]
    sizes = pd.Series(members.sum(axis=0), numbers)
    return columns.assign(n_genes=columns["module1"].map(sizes))
