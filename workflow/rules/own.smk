# Networks of the user's own, from their tables: what gather_networks makes of the bins.
OF_OWN = "<results>/{cell_type}/networks/{network}"


rule gather_own_values:
    input:
        table=own_table,
        samples="<results>/study/donors.tsv",
        summary=expression_summary,
        depths=sequenced_depth,
    output:
        **({"mean_expression": f"{OF_OWN}/mean_expression.tsv"} if cohort.has_cells else {}),
        bins=f"{OF_OWN}/bins.h5ad",
        centrality=f"{OF_OWN}/centrality.tsv",
        reliability=f"{OF_OWN}/reliability.tsv",
    log:
        "<logs>/{cell_type}/gather_own_values/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/gather_own_values/{network}.tsv"
    wildcard_constraints:
        network="|".join(OWN_VALUES) or "(?!)",
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        network=own_part,
        networks=config["networks"],
        samples=ids_of_sheet(),
    message:
        "Read the values of genes of {wildcards.cell_type} ({wildcards.network})"
    script:
        "../scripts/networks/gather_own_network.py"


use rule gather_own_values as gather_own_network with:
    output:
        **({"mean_expression": f"{OF_OWN}/mean_expression.tsv"} if cohort.has_cells else {}),
        bins=f"{OF_OWN}/bins.h5ad",
        bin_edges=f"{OF_OWN}/bin_edges.parquet",
        edges=f"{OF_OWN}/edges.parquet",
        pairs=f"{OF_OWN}/pairs.h5ad",
        neighbours=f"{OF_OWN}/neighbours.parquet",
        centrality=f"{OF_OWN}/centrality.tsv",
        degree=f"{OF_OWN}/degree.tsv",
        reliability=f"{OF_OWN}/reliability.tsv",
    log:
        "<logs>/{cell_type}/gather_own_network/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/gather_own_network/{network}.tsv"
    wildcard_constraints:
        network="|".join(set(OWN) - set(OWN_VALUES)) or "(?!)",
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    message:
        "Read the networks of {wildcards.cell_type} ({wildcards.network})"
