"""Draw which methods see the hits of a phenotype."""

from pathlib import Path

from adapter import EFFECT, logged

from popnet.figures import Subject, save
from popnet.figures.comparison_genes import hit_dots, shown_hits
from popnet.files import read_table


def main(snakemake):
    about = snakemake.params.caption
    hits = read_table(snakemake.input.hits, text=["seen_by", "explained_by"])
    study = read_table(snakemake.input.study)
    kind = "binary" if about["binary"] else "continuous"
    figure = hit_dots(
        shown_hits(hits),
        Subject(
            about["cell_type"],
            about["phenotype"],
            int(study["n_units"].max() if len(study) else 0),
            "observations",
        ),
        methods=[column.removesuffix("_q") for column in hits if column.endswith("_q")],
        effect=EFFECT[about["preset"]][kind],
        n_hits=int(hits["seen_by"].notna().sum()),
    )
    save(figure, shown_hits(hits), Path(snakemake.output.compared_hits[0]).with_suffix(""))


with logged(snakemake.log[0]):
    main(snakemake)
