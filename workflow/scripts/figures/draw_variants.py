"""Draw the burden of each mtDNA gene and the single variants."""

from adapter import logged

from popnet import presets
from popnet.figures.style import Subject, save
from popnet.figures.variants import burden_bars, variant_manhattan
from popnet.files import read_table, resource


def main(snakemake):
    phenotype, fdr = snakemake.params.phenotype, snakemake.params.fdr
    burden, single = read_table(snakemake.input.burden), read_table(snakemake.input.single)
    subject = Subject(None, phenotype["name"], n=max(burden["n"], default=0), unit="donors")
    effect = presets.burden_effect_name(snakemake.params.caption["preset"], phenotype["type"])
    figure = burden_bars(burden, subject, effect=effect, fdr=fdr)
    save(figure, burden, snakemake.output.burden[0])
    figure = variant_manhattan(single, read_table(resource("mtdna_genes.tsv")), subject, fdr=fdr)
    save(figure, single, snakemake.output.single[0])


with logged(snakemake.log[0]):
    main(snakemake)
