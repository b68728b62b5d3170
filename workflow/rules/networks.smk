rule gather_networks:
    input:
        trained=trained_jobs,
        summary="<results>/{cell_type}/expression_summary.h5ad",
    output:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        bin_edges="<results>/{cell_type}/networks/bin_edges.parquet",
        edges="<results>/{cell_type}/networks/edges.parquet",
        neighbours="<results>/{cell_type}/networks/neighbours.parquet",
        centrality="<results>/{cell_type}/networks/centrality.tsv",
        degree="<results>/{cell_type}/networks/degree.tsv",
        mean_expression="<results>/{cell_type}/networks/mean_expression.tsv",
        reliability="<results>/{cell_type}/networks/reliability.tsv",
        losses="<results>/{cell_type}/training/losses.parquet",
    log:
        "<logs>/{cell_type}/gather_networks.log",
    benchmark:
        "<benchmarks>/{cell_type}/gather_networks.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        models=f"{RESULTS}/{{cell_type}}/models",
        networks=config["networks"],
        preset=config["preset"],
        max_failed_bins=config["training"]["max_failed_bins"],
    message:
        "Gather the networks of {wildcards.cell_type}"
    script:
        "../scripts/networks/gather_networks.py"


# One GraphML file per sample goes beside the cohort's file, for Cytoscape and Gephi.
rule export_networks:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        edges="<results>/{cell_type}/networks/edges.parquet",
        kernel="<results>/{cell_type}/map/kernel.tsv",
        samples="<results>/samples.tsv",
    output:
        "<results>/{cell_type}/networks/cohort.h5ad",
    log:
        "<logs>/{cell_type}/export_networks.log",
    benchmark:
        "<benchmarks>/{cell_type}/export_networks.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    message:
        "Export the networks of {wildcards.cell_type} for other tools"
    script:
        "../scripts/networks/export_networks.py"


rule count_connectivity:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        edges=f"<results>/{{cell_type}}/networks/{presets.edges(config['preset'])}",
        gene_sets="<results>/study/gene_sets.json",
    output:
        "<results>/{cell_type}/networks/connectivity.parquet",
    log:
        "<logs>/{cell_type}/count_connectivity.log",
    benchmark:
        "<benchmarks>/{cell_type}/count_connectivity.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
    message:
        "Count the edges of gene sets in {wildcards.cell_type}"
    script:
        "../scripts/networks/count_connectivity.py"
