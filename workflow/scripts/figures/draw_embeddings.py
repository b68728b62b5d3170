"""Draw how methods of dimension reduction embed cells."""

from adapter import logged

from popnet.comparisons.registry import EMBEDDINGS
from popnet.figures import comparison_embeddings as figures
from popnet.figures.style import Subject, save
from popnet.files import read_h5ad, read_table
from popnet.findings import shown_comparisons as shown


def main(snakemake):
    files = snakemake.input
    methods = [method for method in EMBEDDINGS if method in snakemake.params.methods]
    cells = Subject(None, None, n=read_h5ad(files.cells).n_obs, unit="cells")

    def draw(name, figure, table):
        save(figure, table, snakemake.output[name][0])

    types = read_table(files.types, ["type"])
    accuracy = shown.accuracies(read_table(files.accuracy), methods)
    failed = shown.failed_embeddings(read_table(files.status), accuracy)
    chance = 1 / max(types["type"].nunique(), 1)
    figure = figures.embedding_accuracy(accuracy, cells, failed=failed, chance=chance)
    draw("embeddings", figure, accuracy)
    recalls = shown.recalls(types, methods)
    draw("embedding_types", figures.recall_table(recalls, cells), recalls)
    scores = read_table(files.scores, ["type"])
    scores = scores.sort_values("method", key=lambda c: c.map(methods.index), kind="stable")
    draw("embedding_maps", figures.embedding_maps(scores, cells), scores)

    gammas = read_table(files.gammas, ["setting"])
    draw("gammas", figures.gamma_sweep(gammas, shown.gamma_means(gammas), cells), gammas)
    maps = read_table(files.maps)
    draw("batches", figures.batch_maps(maps, cells, mixing=read_table(files.mixing)), maps)

    images = read_table(files.images).assign(label="digit")
    pictures = shown.accuracies(images, ["sivae", "sivae-gamma0", "vae"])
    chromatin, points = read_table(files.chromatin), read_table(files.points, ["planted"])
    regions = Subject(None, None, n=int((points["kind"] == "region").sum()), unit="regions")
    figure = figures.other_data(pictures, chromatin, points, regions)
    draw("other_data", figure, shown.of_other_data(pictures, chromatin))


with logged(snakemake.log[0]):
    main(snakemake)
