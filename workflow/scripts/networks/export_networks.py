"""Write the cohort's networks for other tools: one AnnData, and a GraphML file per sample."""

from pathlib import Path

from adapter import logged

from popnet.files import atomic, read_h5ad, read_parquet, read_table, resource
from popnet.names import safe_name
from popnet.networks.export import cohort_networks, sample_graphs


def main(snakemake):
    files, tests = snakemake.input, {}
    for (analysis, phenotype), path in zip(snakemake.params.tests, files.tests, strict=True):
        tests.setdefault(analysis, {})[phenotype] = read_table(path)
    of_map = read_table(files.map_tests, text=["phenotype"])
    tests["map"] = dict(list(of_map.groupby("phenotype", sort=False)))
    cohort = cohort_networks(
        read_h5ad(files.bins),
        read_table(files.samples).set_index("sample"),
        read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"],
        read_h5ad(files.similarity),
        read_table(files.coordinates),
        tests,
    )
    target = Path(snakemake.output[0])
    with atomic(target) as path:
        cohort.write_h5ad(path)
    for sample, lines in sample_graphs(cohort, read_parquet(files.edges)) if files.edges else ():
        with (
            atomic(target.with_name(f"{safe_name(sample)}.graphml")) as path,
            path.open("w", encoding="utf-8") as file,
        ):
            file.writelines(lines)
    print(f"{cohort.n_obs} samples")


with logged(snakemake.log[0]):
    main(snakemake)
