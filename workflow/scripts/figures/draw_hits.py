"""Draw which methods find the hits of a phenotype."""

from adapter import logged

from popnet import presets
from popnet.figures.comparison_genes import hit_dots
from popnet.figures.style import Subject, save
from popnet.files import read_table
from popnet.findings.shown_comparisons import shown_hits


def main(snakemake):
    about = snakemake.params.caption
    hits = read_table(snakemake.input.hits, text=["seen_by", "explained_by"])
    study = read_table(snakemake.input.study)
    n_units = int(study["n_units"].max() if len(study) else 0)
    shown = shown_hits(hits)
    figure = hit_dots(
        shown,
        Subject(about["cell_type"], about["phenotype"], n_units, "observations"),
        methods=[column.removesuffix("_q") for column in hits if column.endswith("_q")],
        effect=presets.effect_name(about["preset"], "binary" if about["binary"] else "continuous"),
        n_hits=int(hits["seen_by"].notna().sum()),
    )
    save(figure, shown, snakemake.output.compared_hits[0])


with logged(snakemake.log[0]):
    main(snakemake)
