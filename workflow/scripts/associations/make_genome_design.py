"""Say what the tests of mitochondrial genomes compare: one observation per donor."""

from adapter import logged

from popnet import presets
from popnet.associations.designs import donor_components, genome_design, write_design
from popnet.files import read_table
from popnet.genotypes.table import read_genotypes_h5ad
from popnet.stats.units import columns_of


def main(snakemake):
    params = snakemake.params
    genotypes = read_genotypes_h5ad(snakemake.input.genotypes)
    text = [*columns_of(params.phenotype), *params.categorical]
    samples = read_table(snakemake.input.phenotype, text=text).set_index("sample")
    _, components = donor_components(genotypes, samples["donor"], params.components)
    design = genome_design(
        genotypes.samples,
        samples,
        params.phenotype,
        params.covariates,
        presets.unit(params.preset),
        components,
    )
    print(f"{design.n} donors; {design.df} degrees of freedom", *design.remarks, sep="\n")
    write_design(design, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
