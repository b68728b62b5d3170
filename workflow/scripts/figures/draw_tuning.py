"""Draw which settings have the lowest loss on held-out cells."""

from adapter import logged

from popnet.figures.style import Subject, save
from popnet.figures.tuning import candidate_losses
from popnet.files import read_table

MOST = 40


def main(snakemake):
    candidates = read_table(snakemake.input.tuning, text=["hidden"])
    n_bins = int(candidates["n_bins"].iloc[0])
    subject = Subject(snakemake.params.caption["cell_type"], None, n=n_bins, unit="bins")
    shown = candidates.head(MOST)
    figure = candidate_losses(shown, subject, n_candidates=len(candidates))
    save(figure, shown, snakemake.output.tuning[0])


with logged(snakemake.log[0]):
    main(snakemake)
