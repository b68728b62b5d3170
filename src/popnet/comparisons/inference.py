"""Networks by the compared methods, for the compared cells and for every bin of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet import sivae
from popnet.comparisons.agreement import edges_of
from popnet.comparisons.hubs import degrees_of
from popnet.comparisons.methods import Attempt, Training, attempt, load_method
from popnet.comparisons.networks import sivae as of_sivae
from popnet.comparisons.outcomes import Outcomes, joined
from popnet.comparisons.registry import NETWORKS
from popnet.errors import InputError
from popnet.seeds import derive_seed

if TYPE_CHECKING:
    from anndata import AnnData

EDGES = ["method", "sample", "bin", "gene1", "gene2"]


def infer_network(
    method: str,
    cells: AnnData,
    training: Training,
    seed: int,
    threads: int = 1,
    model: tuple[Attempt, str] | None = None,
) -> tuple[AnnData, pd.DataFrame]:
    """Infer the network of the compared cells by one method.

    Parameters
    ----------
    method : str
        A key of `NETWORKS`.
    cells : AnnData, (n_cells, n_genes)
    training : Training
    seed : int
    threads : int
    model : (Attempt, str), optional
        The outcome of training the siVAE that the network is derived from, and its folder.

    Returns
    -------
    network : AnnData, (0, n_genes)
        varp["weights"] and var["centrality"], which are absent if the method failed.
    status : DataFrame
    """
    from anndata import AnnData

    attempts = {"training": model[0]} if model else {}
    network = AnnData(var=cells.var[[]])
    if model is None or model[0].status == "done":
        if model:
            training = of_sivae.Trained(**vars(training), fitted=sivae.load(model[1]))
        seed = derive_seed(seed, "networks")
        tried = attempt(_weights, method, cells, training, seed, threads)
        attempts["network"] = tried
        if tried.value is not None:
            network.varp["weights"], network.var["centrality"] = tried.value
    outcomes = Outcomes()
    outcomes.add("networks", method, attempts)
    return network, outcomes.table()


def _weights(
    method: str, cells: AnnData, training: Training, seed: int, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of a method, and the degree centrality of the genes."""
    from joblib import parallel_config

    with parallel_config("threading", n_jobs=threads):
        weights = load_method(NETWORKS, method)(cells, training, seed)
    centrality = degrees_of(method, weights)
    if isinstance(training, of_sivae.Trained) and training.fitted and method.endswith("-euc"):
        centrality = of_sivae.degree_centrality(training.fitted)
    return weights.astype(np.float32), centrality


@dataclass(frozen=True)
class BinNetworks:
    """The networks of bins by one method.

    Parameters
    ----------
    centrality : ndarray, (n_bins, n_genes)
        NaN for genes that are not in the network, and in bins in which the method failed.
    edges : DataFrame
        The columns `EDGES`.
    failed : mapping of str to str
        Reason of failure, by the name of the bin.
    """

    centrality: np.ndarray
    edges: pd.DataFrame
    failed: Mapping[str, str]


def infer_bins(
    methods: list[str],
    bins: AnnData,
    read: Callable[[str, int], AnnData],
    training: Training,
    share: float,
    seed: int,
) -> tuple[AnnData, pd.DataFrame, pd.DataFrame]:
    """Infer the networks of bins by every method, for the genes of siVAE's networks.

    Parameters
    ----------
    methods : list of str
        Keys of `NETWORKS`.
    bins : AnnData, (n_bins, n_genes)
        siVAE's centralities; obs sample and bin; layer "degree", NaN for genes that are not nodes.
    read : callable
        Returns the cells of a sample's bin: expression in X, layer "counts", obs depth and batch.
    training : Training
    share : float
        Share of the pairs of nodes that are edges.
    seed : int

    Returns
    -------
    inferred : AnnData, (n_bins, n_genes)
        A layer of centralities for each method; obsm["known"]: in which bins it did not fail.
    edges : DataFrame
        The columns `EDGES`.
    states : DataFrame
        method n_bins n_failed reason seconds peak_memory_mb.
    """
    from anndata import AnnData

    known = pd.DataFrame(index=bins.obs_names)
    layers, edges, states = {}, [], []
    for method in methods:
        tried = attempt(_infer_bins, method, bins, read, training, share, seed)
        found = tried.value
        if found is None:
            # A method that was interrupted failed in every bin.
            failed = dict.fromkeys(bins.obs_names, tried.status.removeprefix("failed: "))
            found = BinNetworks(np.full(bins.shape, np.nan), pd.DataFrame(columns=EDGES), failed)
        layers[method] = found.centrality.astype(np.float32)
        known[method] = ~bins.obs_names.isin(list(found.failed))
        edges.append(found.edges)
        states.append(
            {
                **{"method": method, "n_bins": bins.n_obs, "n_failed": len(found.failed)},
                **{"reason": next(iter(found.failed.values()), ""), "seconds": tried.seconds},
                "peak_memory_mb": tried.peak_memory,
            }
        )
        n_failed = len(found.failed)
        print(f"{method}: {tried.seconds:.0f} s, failed in {n_failed} of {bins.n_obs} bins")
        for name, why in found.failed.items():
            print(f"  {name}: {why}")
    inferred = AnnData(
        obs=bins.obs[["sample", "bin"]], var=bins.var[[]], layers=layers, obsm={"known": known}
    )
    return inferred, joined(edges, EDGES).astype({"bin": int}), pd.DataFrame(states)


def _infer_bins(
    method: str,
    bins: AnnData,
    read: Callable[[str, int], AnnData],
    training: Training,
    share: float,
    seed: int,
) -> BinNetworks:
    infer = load_method(NETWORKS, method)
    centrality, edges, failed = np.full(bins.shape, np.nan), [], {}
    places = zip(bins.obs["sample"].astype(str), bins.obs["bin"], strict=True)
    for row, (sample, number) in enumerate(places):
        cells = read(sample, number)
        wired = np.flatnonzero(np.isfinite(bins.X[row]) & (np.ptp(cells.X, axis=0) > 0))
        own = derive_seed(seed, method, sample, number)
        try:
            weights = infer(cells[:, wired].copy(), training, own)
        except (InputError, ModuleNotFoundError):
            raise
        # If a method fails in one bin, its results for other bins are kept.
        except Exception as error:
            failed[bins.obs_names[row]] = f"{type(error).__name__}: {error}"
            continue
        centrality[row, wired] = degrees_of(method, weights)
        nodes = np.flatnonzero(np.isfinite(bins.layers["degree"][row]))
        strong = edges_of(weights, wired, nodes, bins.n_vars, share)
        gene1, gene2 = (bins.var_names[end] for end in np.divmod(strong, bins.n_vars))
        found = pd.DataFrame({"gene1": gene1, "gene2": gene2})
        edges.append(found.assign(method=method, sample=sample, bin=number)[EDGES])
    return BinNetworks(centrality, joined(edges, EDGES), failed)
