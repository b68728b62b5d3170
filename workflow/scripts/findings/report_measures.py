"""Put what can be measured, of all cell types, networks and measures, on one page."""

from adapter import logged

from popnet.files import atomic
from popnet.findings.sentences import measured
from popnet.networks.verdicts import read_measures
from popnet.report.page import page

REMARKS = [
    "A difference between samples can only be found in what bins of one sample agree on. This "
    "was looked at before any phenotype.",
    "ICC: share of the variance over bins that is due to the sample, given what the column "
    "says; of the mean over a sample's bins (median gene and quartiles), and of a single bin.",
    "AUROC: how often two bins of one sample are more alike than bins of two samples; 0.5 is "
    "chance. P: samples do not differ (relabelled bins). Bins that find their sample: share of "
    "the bins that are most like the other bins of their own sample, and the same by chance.",
    "Other seed: agreement of two trainings of a few bins: correlation over genes, of edges the "
    "Jaccard index. Of the cohort's siVAE each of the two saw half of the cells, so that the "
    "network, a mean over three models, should agree better.",
    "What is not measurable is not tested, unless statistics.test_unmeasurable is set. The "
    "number of cells that would be needed follows by Spearman-Brown.",
]


def main(snakemake):
    params = snakemake.params
    tables = {cell_type: read_measures(path) for cell_type, path in params.measures}
    text = page(measured(tables), f"Is it measurable? {params.cohort}", REMARKS)
    with atomic(snakemake.output[0]) as path:
        path.write_text(text, "utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
