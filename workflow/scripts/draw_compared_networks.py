"""Draw the hubs and neighbours of the compared methods."""

from pathlib import Path

from adapter import logged

from popnet.figures import Subject, save
from popnet.figures import comparison_networks as figures
from popnet.files import read_table


def main(snakemake):
    def stem(name):
        return Path(snakemake.output[name][0]).with_suffix("")

    centralities, hubs, neighbours, overlap, correlation = (
        read_table(snakemake.input[name], text=["method"])
        for name in (
            "centralities",
            "hubs",
            "neighbours",
            "neighbour_overlap",
            "neighbour_correlation",
        )
    )
    genes = Subject(None, None, len(centralities), "genes")
    points = figures.centrality_points(centralities, hubs)
    save(figures.hub_centrality(points, hubs, genes), points, stem("hub_centrality"))
    save(figures.hub_accuracy(hubs, genes), hubs, stem("hub_accuracy"))

    queries = Subject(None, None, int(neighbours["n_queries"].iloc[0]), "hubs")
    save(
        figures.neighbour_prediction(neighbours, queries), neighbours, stem("neighbour_prediction")
    )
    for table, name, what, label in (
        (overlap, "neighbour_overlap", "Shared neighbours of common hubs", "Jaccard index"),
        (
            correlation,
            "neighbour_correlation",
            "Correlation of common hubs' neighbours",
            "mean Pearson correlation",
        ),
    ):
        figure = figures.neighbour_similarity(table.set_index("method"), what, label, queries)
        save(figure, table, stem(name))


with logged(snakemake.log[0]):
    main(snakemake)
