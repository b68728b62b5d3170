# What every estimator says of the bins: networks, centralities, reliability.
rule gather_networks:
    input:
        trained=lambda wildcards: (trained_jobs(wildcards) if wildcards.network == "sivae" else []),
        models=models_of_cohort,
        # All donors count the same in the modules, which the paper does not have.
        donors=("<results>/study/donors.tsv" if presets.unit(config["preset"]) == "donor" else []),
        expression="<results>/{cell_type}/expression.h5ad",
        summary="<results>/{cell_type}/expression_summary.h5ad",
        graph=of_discovery("networks/{network}/bins.h5ad"),
        tested=of_discovery("networks/{network}/pairs.h5ad"),
        found=of_discovery("networks/{network}/module_genes.h5ad"),
    output:
        **(
            {
                "pairs": "<results>/{cell_type}/networks/{network}/pairs.h5ad",
                "halves": "<results>/{cell_type}/networks/{network}/halves.h5ad",
                "half_edges": "<results>/{cell_type}/networks/{network}/half_edges.parquet",
                "module_genes": "<results>/{cell_type}/networks/{network}/module_genes.h5ad",
                "modules": "<results>/{cell_type}/networks/{network}/modules.h5ad",
                "half_modules": "<results>/{cell_type}/networks/{network}/half_modules.h5ad",
            }
            if presets.pairs(config["preset"]) == "pairs.h5ad"
            else {}
        ),
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        bin_edges="<results>/{cell_type}/networks/{network}/bin_edges.parquet",
        edges="<results>/{cell_type}/networks/{network}/edges.parquet",
        neighbours="<results>/{cell_type}/networks/{network}/neighbours.parquet",
        centrality="<results>/{cell_type}/networks/{network}/centrality.tsv",
        degree="<results>/{cell_type}/networks/{network}/degree.tsv",
        mean_expression="<results>/{cell_type}/networks/{network}/mean_expression.tsv",
        reliability="<results>/{cell_type}/networks/{network}/reliability.tsv",
        # What preset robust tests of pairs of genes; the paper tests the edges of bins.
    log:
        "<logs>/{cell_type}/gather_networks/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/gather_networks/{network}.tsv"
    wildcard_constraints:
        network="|".join(presets.estimators(config)) or "(?!)",
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        models=f"{RESULTS}/{{cell_type}}/models",
        networks=config["networks"],
        definition=presets.edge_definition(config),
        cross_fitted=presets.cross_fits(config),
        preset=config["preset"],
        max_failed_bins=config["training"]["max_failed_bins"],
        seed=config["seed"],
    message:
        "Gather the networks of {wildcards.cell_type} ({wildcards.network})"
    script:
        "../scripts/networks/gather_networks.py"


rule gather_losses:
    input:
        trained_jobs,
    output:
        "<results>/{cell_type}/training/losses.parquet",
    log:
        "<logs>/{cell_type}/gather_losses.log",
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        models=f"{RESULTS}/{{cell_type}}/models",
        max_failed_bins=config["training"]["max_failed_bins"],
    message:
        "Gather the training losses of {wildcards.cell_type}"
    script:
        "../scripts/networks/gather_losses.py"


# One GraphML file per sample goes beside the cohort's file, for Cytoscape and Gephi.
rule export_networks:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        edges=lambda wildcards: edges_of(wildcards, "edges.parquet"),
        similarity="<results>/{cell_type}/map/{network}/similarity.h5ad",
        coordinates="<results>/{cell_type}/map/{network}/coordinates.tsv",
        samples="<results>/samples.tsv",
        map_tests="<results>/{cell_type}/map/{network}/tests.tsv",
        tests=lambda wildcards: [
            f"<results>/{wildcards.cell_type}/associations/{safe}/{wildcards.network}/{analysis}.tsv"
            for analysis, safe in exported_tests(wildcards.network)
        ],
    output:
        "<results>/{cell_type}/networks/{network}/cohort.h5ad",
    log:
        "<logs>/{cell_type}/export_networks/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/export_networks/{network}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        tests=lambda wildcards: [
            [analysis, phenotypes[safe].name]
            for analysis, safe in exported_tests(wildcards.network)
        ],
    message:
        "Export the networks of {wildcards.cell_type} ({wildcards.network}) for other tools"
    script:
        "../scripts/networks/export_networks.py"


rule count_connectivity:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        edges=f"<results>/{{cell_type}}/networks/{{network}}/{presets.edges(config['preset'])}",
        gene_sets="<chosen>/study/gene_sets.json",
    output:
        "<results>/{cell_type}/networks/{network}/connectivity.parquet",
    log:
        "<logs>/{cell_type}/count_connectivity/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/count_connectivity/{network}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
    message:
        "Count the edges of gene sets in {wildcards.cell_type} ({wildcards.network})"
    script:
        "../scripts/networks/count_connectivity.py"
