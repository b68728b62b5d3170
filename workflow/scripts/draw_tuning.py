"""Draw which settings have the lowest loss on held-out cells."""

from pathlib import Path

from adapter import logged

from popnet.figures import Subject, save
from popnet.figures.tuning import candidate_losses, shown_candidates
from popnet.files import read_table


def main(snakemake):
    about = snakemake.params.caption
    candidates = read_table(snakemake.input.tuning, text=["hidden"])
    subject = Subject(about["cell_type"], None, n=int(candidates["n_bins"].iloc[0]), unit="bins")
    shown = shown_candidates(candidates)
    figure = candidate_losses(shown, subject, n_candidates=len(candidates))
    save(figure, shown, Path(snakemake.output.tuning[0]).with_suffix(""))


with logged(snakemake.log[0]):
    main(snakemake)
