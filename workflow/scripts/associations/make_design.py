"""Say what the tests of a phenotype compare and adjust for, once for all of them."""

from adapter import logged

from popnet import presets
from popnet.associations.designs import design_of, technical_covariates, write_design
from popnet.files import read_h5ad, read_table, write_table
from popnet.stats.units import columns_of


def main(snakemake):
    params = snakemake.params
    bins = read_h5ad(snakemake.input.bins).obs
    text = [*columns_of(params.phenotype), *params.categorical]
    samples = read_table(snakemake.input.phenotype, text=text).set_index("sample")
    technical = technical_covariates(bins)
    design = design_of(
        bins["sample"].astype(str).to_numpy(),
        samples,
        params.phenotype,
        params.covariates,
        presets.unit(params.preset),
        technical[[name for name in params.adjust if name in technical]],
    )
    print(f"{design.n} observations, each a {design.units.kind}; {design.df} degrees of freedom")
    print(*design.remarks, sep="\n")
    write_design(design, snakemake.output.design)
    write_table(design.covariates, snakemake.output.covariates)


with logged(snakemake.log[0]):
    main(snakemake)
