"""Draw how the training of a cell type's bins went."""

from adapter import logged

from popnet.figures import qc
from popnet.figures.style import Subject, save
from popnet.files import read_parquet
from popnet.findings import shown_quality as shown
from popnet.networks.trained import read_training


def main(snakemake):
    files, output = snakemake.input, snakemake.output
    name = snakemake.params.caption["cell_type"]
    training = shown.training_of_bins(read_training(files.trained).drop(columns="table"))
    unit = "models" if (training["repeat"] > 1).any() else "bins"
    losses = read_parquet(files.losses)
    trained = Subject(name, None, n=int((training["status"] == "trained").sum()), unit=unit)
    save(qc.qc_losses(losses, shown.loss_medians(losses), trained), losses, output.losses[0])
    started = Subject(name, None, n=len(training), unit=unit)
    figure = qc.qc_training(training, started, latent=snakemake.params.latent)
    save(figure, training, output.training[0])


with logged(snakemake.log[0]):
    main(snakemake)
