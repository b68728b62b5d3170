"""Find the genes within the gene sets and modules that are associated with a phenotype."""

import pandas as pd
from adapter import logged

from popnet.associations import genes_in_groups
from popnet.associations.testing import BY_CHANCE
from popnet.files import read_table, write_table
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets

TEXT = ["gene", "gene_set", "name1", "explained_by"]


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    genes = read_table(files.genes, text=TEXT)
    sets = resolve_gene_sets(read_gene_sets(files.gene_sets), pd.Index(genes["gene"]))
    tested = read_table(files.sets, text=TEXT).set_index("gene_set")["model_p"]
    groups, members = {"gene set": tested}, {"gene set": sets}
    if files.modules:
        tested = read_table(files.modules, text=TEXT)
        tested = tested[tested["kind"] == "density"].set_index("module1")["p"]
        modules = read_table(files.module_genes, text=TEXT)
        named = modules.drop_duplicates("module").set_index("module")["name"]
        groups["module"] = tested
        members["module"] = modules.groupby("module")["gene"].agg(list).to_dict()
    table = genes_in_groups.robust(genes, groups, members, params.statistics["fdr"])
    if files.modules:
        of_modules = table["kind"] == "module"
        table["group"] = table["group"].mask(of_modules, table["group"].map(named))
    write_table(table, snakemake.output.table)
    write_table(pd.DataFrame(columns=list(BY_CHANCE)), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
