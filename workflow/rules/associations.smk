# What is compared is said once, by make_design; every question has a rule that reads it.
rule make_design:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
        covariates="<results>/{cell_type}/associations/{phenotype}/{network}/covariates.tsv",
    log:
        "<logs>/{cell_type}/make_design/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/make_design/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        covariates=lambda wildcards: covariate_names(),
        categorical=lambda wildcards: categorical_names(),
        adjust=lambda wildcards: adjusts_for(wildcards.get("network")),
        preset=config["preset"],
    message:
        "Say what is compared for {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/associations/make_design.py"


rule associate_centrality:
    input:
        plan="<results>/bins.tsv",
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        reliability="<results>/{cell_type}/networks/{network}/reliability.tsv",
        measures=measures,
        composition=composition,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        table=report(
            "<results>/{cell_type}/associations/{phenotype}/{network}/centrality.tsv",
            caption="../report/centrality_table.rst",
            category=phenotype_category,
            labels=report_labels("Degree centrality (table)"),
        ),
        null="<results>/{cell_type}/associations/{phenotype}/{network}/centrality.null.tsv",
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.tsv",
        maxima="<results>/{cell_type}/associations/{phenotype}/{network}/maxima.parquet",
    log:
        "<logs>/{cell_type}/associate_centrality/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_centrality/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        matched=lambda wildcards: has_equal_depth(wildcards.network),
        statistics=config["statistics"],
        seed=config["seed"],
        caption=caption,
    message:
        "Associate centrality in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_centrality.py"


rule associate_graph_centrality:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        measures=measures,
        composition=composition,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        table="<results>/{cell_type}/associations/{phenotype}/{network}/graph_centrality.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/{network}/graph_centrality.null.tsv",
    log:
        "<logs>/{cell_type}/associate_graph_centrality/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_graph_centrality/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        equal_depth=lambda wildcards: has_equal_depth(wildcards.network),
        seed=config["seed"],
    message:
        "Associate graph centralities in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_graph_centrality.py"


rule enrich_gene_sets:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        gene_sets="<chosen>/study/gene_sets.json",
        measures=measures,
        composition=composition,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        table="<results>/{cell_type}/associations/{phenotype}/{network}/gene_sets.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/{network}/gene_sets.null.tsv",
    log:
        "<logs>/{cell_type}/enrich_gene_sets/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/enrich_gene_sets/{network}/{phenotype}.tsv"
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


# Every network has its own tests; here they stand in one table for each question.
rule gather_tests:
    input:
        measures=measures,
        tables=lambda wildcards: [
            f"<results>/{wildcards.cell_type}/associations/{wildcards.phenotype}/{network}/{wildcards.analysis}.tsv"
            for network in networks_with(wildcards.analysis)
        ],
    output:
        "<results>/{cell_type}/associations/{phenotype}/{analysis}.tsv",
    log:
        "<logs>/{cell_type}/gather_tests/{analysis}/{phenotype}.log",
    wildcard_constraints:
        analysis="|".join({TABLES.get(analysis, analysis) for analysis in analyses()}),
    conda:
        "../../envs/statistics.yaml"
    params:
        networks=lambda wildcards: networks_with(wildcards.analysis),
    message:
        "Gather the tests of {wildcards.analysis} of all networks of {wildcards.cell_type}"
    script:
        "../scripts/associations/gather_tests.py"
