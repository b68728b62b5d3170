"""Draw the effects of a phenotype in the discovery and in its second cohort."""

from adapter import logged

from popnet.associations.replication_files import read_claims
from popnet.figures.replication import replication_scatter
from popnet.figures.style import Subject, save
from popnet.findings.shown_replication import effects


def main(snakemake):
    about = snakemake.params.caption
    asked = about["cell_type"], about["phenotype"]
    shown = effects(read_claims(snakemake.input.table), *asked)
    figure = replication_scatter(shown, Subject(*asked, len(shown), "hypotheses"))
    save(figure, shown, snakemake.output.replication[0])


with logged(snakemake.log[0]):
    main(snakemake)
