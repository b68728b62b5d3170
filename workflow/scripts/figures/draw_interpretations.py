"""Draw how the interpretations of latent dimensions agree, and how long they take."""

from adapter import logged

from popnet.figures.comparison_interpretations import agreement_heatmap, training_times
from popnet.figures.style import Subject, save
from popnet.files import read_h5ad, read_table


def main(snakemake):
    summary = read_table(snakemake.input.summary)
    # The paper's two dimensions; the table also has those of the study.
    summary = summary[summary["latent"] == summary["latent"].min()]
    asked = read_table(snakemake.input.methods)["method"].unique()
    subject = Subject(None, None, n=read_h5ad(snakemake.input.cells).n_obs, unit="cells")
    n_dimensions = int(summary["n_dimensions"].max()) if len(summary) else 0
    figure = agreement_heatmap(summary, list(asked), subject, n_dimensions=n_dimensions)
    save(figure, summary, snakemake.output.interpretations[0])

    times = read_table(snakemake.input.times)
    n_cells = int(times["n_cells"].max()) if len(times) else 0
    subject = Subject(None, None, n=n_cells, unit="simulated cells")
    save(training_times(times, subject), times, snakemake.output.interpretation_times[0])


with logged(snakemake.log[0]):
    main(snakemake)
