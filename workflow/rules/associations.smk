# What is compared is said once, by make_design; every question has a rule that reads it.
rule make_design:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        design="<results>/{cell_type}/associations/{phenotype}/design.npz",
        covariates="<results>/{cell_type}/associations/{phenotype}/covariates.tsv",
    log:
        "<logs>/{cell_type}/make_design/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/make_design/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        covariates=covariate_names(),
        categorical=categorical_names(),
        adjust=config["statistics"]["adjust"],
        preset=config["preset"],
    message:
        "Say what is compared for {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/associations/make_design.py"


rule associate_centrality:
    input:
        plan="<results>/bins.tsv",
        bins="<results>/{cell_type}/networks/bins.h5ad",
        reliability="<results>/{cell_type}/networks/reliability.tsv",
        design="<results>/{cell_type}/associations/{phenotype}/design.npz",
    output:
        table=report(
            "<results>/{cell_type}/associations/{phenotype}/centrality.tsv",
            caption="../report/centrality_table.rst",
            category=phenotype_category,
            labels=report_labels("Degree centrality (table)"),
        ),
        design="<results>/{cell_type}/associations/{phenotype}/design.tsv",
        maxima="<results>/{cell_type}/associations/{phenotype}/maxima.parquet",
    log:
        "<logs>/{cell_type}/associate_centrality/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_centrality/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
        caption=caption,
    message:
        "Associate centrality in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_centrality.py"


rule associate_graph_centrality:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        design="<results>/{cell_type}/associations/{phenotype}/design.npz",
    output:
        "<results>/{cell_type}/associations/{phenotype}/graph_centrality.tsv",
    log:
        "<logs>/{cell_type}/associate_graph_centrality/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_graph_centrality/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate graph centralities in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_graph_centrality.py"


rule enrich_gene_sets:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        gene_sets="<results>/study/gene_sets.json",
        design="<results>/{cell_type}/associations/{phenotype}/design.npz",
    output:
        "<results>/{cell_type}/associations/{phenotype}/gene_sets.tsv",
    log:
        "<logs>/{cell_type}/enrich_gene_sets/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/enrich_gene_sets/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate gene sets in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/enrich_gene_sets.py"


rule associate_edges:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        edges=f"<results>/{{cell_type}}/networks/{presets.edges(config['preset'])}",
        gene_sets="<results>/study/gene_sets.json",
        design="<results>/{cell_type}/associations/{phenotype}/design.npz",
    output:
        edges="<results>/{cell_type}/associations/{phenotype}/edges.tsv",
        components="<results>/{cell_type}/associations/{phenotype}/components.tsv",
    log:
        "<logs>/{cell_type}/associate_edges/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_edges/{phenotype}.tsv"
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
