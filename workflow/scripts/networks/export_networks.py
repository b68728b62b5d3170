"""Write the cohort's networks for other tools: one AnnData, and a GraphML file per sample."""

from pathlib import Path

from adapter import logged

from popnet.files import atomic, read_h5ad, read_parquet, read_table, resource
from popnet.names import safe_name
from popnet.networks.export import cohort_networks, sample_graphs


def main(snakemake):
    cohort = cohort_networks(
        read_h5ad(snakemake.input.bins),
        read_table(snakemake.input.samples).set_index("sample"),
        read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"],
        read_table(snakemake.input.kernel),
    )
    target = Path(snakemake.output[0])
    with atomic(target) as path:
        cohort.write_h5ad(path)
    edges = snakemake.input.edges
    for sample, graph in sample_graphs(cohort, read_parquet(edges)) if edges else ():
        with atomic(target.with_name(f"{safe_name(sample)}.graphml")) as path:
            graph.write_graphml(str(path))
    print(f"{cohort.n_obs} samples")


with logged(snakemake.log[0]):
    main(snakemake)
