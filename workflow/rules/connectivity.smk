# Edges, their numbers and consensus networks against a phenotype.
rule associate_edges:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        pairs=f"<results>/{{cell_type}}/networks/{{network}}/{presets.pairs(config['preset'])}",
        gene_sets="<chosen>/study/gene_sets.json",
        measures=measures,
        composition=composition,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        edges="<results>/{cell_type}/associations/{phenotype}/{network}/edges.tsv",
        components="<results>/{cell_type}/associations/{phenotype}/{network}/components.tsv",
        edges_null="<results>/{cell_type}/associations/{phenotype}/{network}/edges.null.tsv",
        model_edges_null="<results>/{cell_type}/associations/{phenotype}/{network}/model_edges.null.tsv",
        components_null="<results>/{cell_type}/associations/{phenotype}/{network}/components.null.tsv",
    log:
        "<logs>/{cell_type}/associate_edges/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_edges/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate edges in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_edges.py"


rule associate_connectivity:
    input:
        connectivity="<results>/{cell_type}/networks/{network}/connectivity.parquet",
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        gene_sets="<chosen>/study/gene_sets.json",
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
        measures=measures,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        connectivity="<results>/{cell_type}/associations/{phenotype}/{network}/connectivity.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/{network}/connectivity.null.tsv",
        sample_connectivity="<results>/{cell_type}/associations/{phenotype}/{network}/sample_connectivity.tsv",
    log:
        "<logs>/{cell_type}/associate_connectivity/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_connectivity/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
        equal_depth=lambda wildcards: has_equal_depth(wildcards.network),
    message:
        "Associate the connectivity of gene sets in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_connectivity.py"


rule associate_consensus:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        edges=f"<results>/{{cell_type}}/networks/{{network}}/{presets.edges(config['preset'])}",
        gene_sets="<chosen>/study/gene_sets.json",
        measures=measures,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        consensus="<results>/{cell_type}/associations/{phenotype}/{network}/consensus.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/{network}/consensus.null.tsv",
        consensus_edges="<results>/{cell_type}/associations/{phenotype}/{network}/consensus_edges.parquet",
    log:
        "<logs>/{cell_type}/associate_consensus/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_consensus/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
        equal_depth=lambda wildcards: has_equal_depth(wildcards.network),
    message:
        "Compare consensus networks in {wildcards.cell_type} by {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_consensus.py"
