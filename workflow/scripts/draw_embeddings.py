"""Draw how methods of dimension reduction embed cells."""

from pathlib import Path

import pandas as pd
from adapter import logged

from popnet.comparisons.registry import EMBEDDINGS
from popnet.figures import Subject, save
from popnet.figures import comparison_embeddings as figures
from popnet.files import read_h5ad, read_table


def main(snakemake):
    files, methods = snakemake.input, [m for m in EMBEDDINGS if m in snakemake.params.methods]
    status = read_table(files.status)
    tried = status[status["comparison"] == "embeddings"]
    failed = list(tried.loc[tried["seconds"].notna() & (tried["status"] != "done"), "method"])
    accuracy, types = read_table(files.accuracy), read_table(files.types, ["type"])
    scores = read_table(files.scores, ["type"])
    scores = scores.sort_values("method", key=lambda c: c.map(methods.index), kind="stable")
    maps, mixing = read_table(files.maps), read_table(files.mixing)
    gammas = read_table(files.gammas, ["setting"])
    images, chromatin = read_table(files.images), read_table(files.chromatin)
    points = read_table(files.points, ["planted"])
    n_cells = read_h5ad(files.cells).n_obs
    cells = Subject(None, None, n=n_cells, unit="cells")
    shown = figures.accuracies(accuracy, methods)
    failed = [method for method in failed if method not in set(shown["method"])]
    chance = 1 / max(types["type"].nunique(), 1)
    found = figures.recalls(types, methods)
    pictures = figures.accuracies(images.assign(label="digit"), ["sivae", "sivae-gamma0", "vae"])
    all_data = pd.concat([pictures.assign(kind="images"), chromatin.assign(kind="chromatin")])
    regions = points[points["kind"] == "region"]
    drawn = {
        "embeddings": (
            figures.embedding_accuracy(shown, cells, failed=failed, chance=chance),
            shown,
        ),
        "embedding_types": (figures.recall_table(found, cells), found),
        "embedding_maps": (figures.embedding_maps(scores, cells), scores),
        "gammas": (figures.gamma_sweep(gammas, cells), gammas),
        "batches": (figures.batch_maps(maps, cells, mixing=mixing), maps),
        "other_data": (
            figures.other_data(
                pictures, chromatin, points, Subject(None, None, n=len(regions), unit="regions")
            ),
            all_data,
        ),
    }
    for name, (figure, table) in drawn.items():
        save(figure, table, Path(snakemake.output[name][0]).with_suffix(""))


with logged(snakemake.log[0]):
    main(snakemake)
