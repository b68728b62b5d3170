"""Draw the genes of the simulated network, and marker genes beside cells."""

from adapter import logged

from popnet.figures.comparison_genes import community_maps, marker_maps
from popnet.figures.style import Subject, save
from popnet.files import read_table


def main(snakemake):
    points, found = (read_table(path) for path in snakemake.input.communities)
    n_cells = int(found["n_cells"].max() if len(found) else 0)
    figure = community_maps(points, found, Subject(None, None, n_cells, "simulated cells"))
    save(figure, points, snakemake.output.gene_communities[0])

    points, found = (read_table(path, text=["name"]) for path in snakemake.input.markers)
    points, found = (table[table["method"] == "sivae"] for table in (points, found))
    subject = Subject(None, None, int((points["kind"] == "cell").sum()), "cells")
    save(marker_maps(points, found, subject), points, snakemake.output.marker_genes[0])


with logged(snakemake.log[0]):
    main(snakemake)
