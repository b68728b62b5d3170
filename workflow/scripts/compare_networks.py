"""Hold the hubs of every method against the truth, and their neighbours against each other's."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from adapter import logged

from popnet.comparisons.hubs import (
    NEIGHBOURS,
    clustered,
    common_hubs,
    hub_accuracy,
    nearest,
    neighbour_correlation,
    neighbour_overlap,
)
from popnet.comparisons.networks.correlation import expression_of, pearson
from popnet.comparisons.prediction import variance_explained
from popnet.files import read_h5ad, read_table, write_table
from popnet.seeds import derive_seed


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    seed, output = snakemake.params.seed, snakemake.output
    status = [read_table(path, text=["status"]) for path in snakemake.input.status]
    write_table(pd.concat(status), output.methods)

    truth = pd.concat([read_table(path) for path in snakemake.input.truth]).set_index("gene")
    files = {Path(path).stem: path for path in snakemake.input.networks}
    networks = {name: read_h5ad(path) for name, path in files.items()}
    networks = {name: each for name, each in networks.items() if "weights" in each.varp}
    centralities = pd.DataFrame(
        {name: each.var["centrality"] for name, each in networks.items()}, truth.index
    )
    write_table(truth.join(centralities).reset_index(), output.centralities)
    write_table(hub_accuracy(centralities, truth["truth"]), output.hubs)

    # As in the paper, siVAE and the methods of network inference elect the hubs.
    known = centralities.dropna(axis=1)
    electing = [name for name in known if name == "sivae-euc" or not name.startswith("sivae-")]
    hubs, share = common_hubs(known[electing] if electing else truth)
    print(f"{len(hubs)} genes are among the first {share:.0%} of {', '.join(electing) or 'truth'}")

    expression = expression_of(read_h5ad(snakemake.input.cells))
    k = min(NEIGHBOURS, len(truth) - 1)
    ties = derive_seed(seed, "ties of neighbours")
    found = {name: nearest(each.varp["weights"], hubs, ties, k) for name, each in networks.items()}
    neighbours = {name: genes for name, (genes, _) in found.items()}
    linked = {name: positive.mean() for name, (_, positive) in found.items()}
    even = np.ones((len(truth), len(truth)))
    chance, _ = nearest(even, hubs, derive_seed(seed, "random neighbours"), k)
    sets = neighbours | {"random": chance}
    explained = variance_explained(
        expression,
        np.tile(hubs, len(sets)),
        np.concatenate(list(sets.values())),
        derive_seed(seed, "prediction"),
        device="cpu",
    ).reshape(len(sets), -1)
    table = pd.DataFrame(
        {
            "method": list(sets),
            "n_queries": len(hubs),
            "n_neighbours": k,
            "hub_share": share,
            "variance_explained": explained.mean(1),
            "se": explained.std(1, ddof=1) / np.sqrt(len(hubs)),
            "linked": [linked.get(name, np.nan) for name in sets],
        }
    )
    write_table(table, output.neighbours)
    by_gene = pd.DataFrame(explained.T, truth.index[hubs], list(sets))
    write_table(by_gene.reset_index(), output.by_gene)
    overlap = neighbour_overlap(neighbours)
    write_table(clustered(overlap).rename_axis("method"), output.neighbour_overlap, index=True)
    mean = neighbour_correlation(neighbours, pearson(expression))
    write_table(clustered(mean).rename_axis("method"), output.neighbour_correlation, index=True)


with logged(snakemake.log[0]):
    main(snakemake)
