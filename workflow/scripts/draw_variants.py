"""Draw the burden of each mtDNA gene and the single variants."""

from pathlib import Path

from adapter import EFFECT, logged

from popnet.figures import Subject, save
from popnet.figures.variants import burden_bars, variant_manhattan
from popnet.files import read_table


def main(snakemake):
    phenotype = snakemake.params.phenotype
    fdr = snakemake.params.fdr
    effect = EFFECT[snakemake.params.caption["preset"]][phenotype["type"]]
    if snakemake.params.caption["preset"] == "paper" and phenotype["type"] == "continuous":
        effect = "Pearson r"
    burden = read_table(snakemake.input.burden)
    single = read_table(snakemake.input.single)
    subject = Subject(None, phenotype["name"], n=max(burden["n"], default=0), unit="donors")
    figure = burden_bars(burden, subject, effect=effect, fdr=fdr)
    save(figure, burden, Path(snakemake.output.burden[0]).with_suffix(""))
    figure = variant_manhattan(single, read_table(snakemake.input.genes), subject, fdr=fdr)
    save(figure, single, Path(snakemake.output.single[0]).with_suffix(""))


with logged(snakemake.log[0]):
    main(snakemake)
