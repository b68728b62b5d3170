"""Draw the hubs and neighbours of the compared methods."""

from adapter import logged

from popnet.figures import comparison_networks as figures
from popnet.figures.style import Subject, save
from popnet.files import read_table
from popnet.findings.shown_comparisons import centrality_points

SIMILARITIES = {
    "neighbour_overlap": ("Shared neighbours of common hubs", "Jaccard index"),
    "neighbour_correlation": ("Correlation of common hubs' neighbours", "mean Pearson correlation"),
}


def main(snakemake):
    output = snakemake.output
    centralities, hubs, neighbours = (
        read_table(snakemake.input[name], text=["method"])
        for name in ("centralities", "hubs", "neighbours")
    )
    genes = Subject(None, None, len(centralities), "genes")
    points = centrality_points(centralities, hubs)
    save(figures.hub_centrality(points, hubs, genes), points, output.hub_centrality[0])
    save(figures.hub_accuracy(hubs, genes), hubs, output.hub_accuracy[0])

    queries = Subject(None, None, int(neighbours["n_queries"].iloc[0]), "hubs")
    figure = figures.neighbour_prediction(neighbours, queries)
    save(figure, neighbours, output.neighbour_prediction[0])
    for name, (what, label) in SIMILARITIES.items():
        table = read_table(snakemake.input[name], text=["method"])
        figure = figures.neighbour_similarity(table.set_index("method"), what, label, queries)
        save(figure, table, output[name][0])


with logged(snakemake.log[0]):
    main(snakemake)
