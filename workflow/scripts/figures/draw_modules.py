"""Draw the modules of the headline against all phenotypes of the study."""

from adapter import logged

from popnet.figures.modules import module_heatmap
from popnet.figures.style import Subject, save
from popnet.files import read_table
from popnet.findings.shown_networks import modules_by_phenotype
from popnet.networks.verdicts import headline, read_measures


def main(snakemake):
    params = snakemake.params
    network = headline(read_measures(snakemake.input.measures), params.networks)
    first = params.networks.index(network) * len(params.phenotypes)
    paths = snakemake.input.tables[first : first + len(params.phenotypes)]
    tables = {
        phenotype: read_table(path, text=["name1", "name2"])
        for phenotype, path in zip(params.phenotypes, paths, strict=True)
    }
    shown = modules_by_phenotype(tables, fdr=params.fdr)
    n_modules = shown["module"].nunique()
    subject = Subject(params.caption["cell_type"], None, n_modules, "modules", network)
    save(module_heatmap(shown, subject, fdr=params.fdr), shown, snakemake.output.modules[0])


with logged(snakemake.log[0]):
    main(snakemake)
