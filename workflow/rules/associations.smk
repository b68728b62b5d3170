rule associate_centrality:
    input:
        plan="<results>/bins.tsv",
        bins="<results>/{cell_type}/networks/bins.h5ad",
        reliability="<results>/{cell_type}/networks/reliability.tsv",
        samples="<results>/samples.tsv",
        code=library("association.py", "design.py", "permutation.py", "robust.py"),
    output:
        table=report(
            "<results>/{cell_type}/associations/{phenotype}/centrality.tsv",
            caption="../report/centrality_table.rst",
            category=phenotype_category,
            labels=report_labels("Degree centrality (table)"),
        ),
        design="<results>/{cell_type}/associations/{phenotype}/design.tsv",
        covariates="<results>/{cell_type}/associations/{phenotype}/covariates.tsv",
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
        phenotype=phenotype_params,
        covariates=covariate_params(),
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
        caption=caption,
    message:
        "Associate centrality in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associate_centrality.py"


rule enrich_gene_sets:
    input:
        sheet=config["cohort"],
        data=cohort.files,
        bins="<results>/{cell_type}/networks/bins.h5ad",
        samples="<results>/samples.tsv",
        code=library("association.py", "design.py", "permutation.py", "gene_sets.py"),
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
        phenotype=phenotype_params,
        covariates=covariate_params(),
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Test gene sets in {wildcards.cell_type} against {wildcards.phenotype}"
    script:
        "../scripts/enrich_gene_sets.py"


rule test_edges:
    input:
        sheet=config["cohort"],
        data=cohort.files,
        bins="<results>/{cell_type}/networks/bins.h5ad",
        edges="<results>/{cell_type}/networks/edges.parquet",
        bin_edges="<results>/{cell_type}/networks/bin_edges.parquet",
        samples="<results>/samples.tsv",
        complexes=workflow.source_path("../../resources/mtdna_genes.tsv"),
        code=library("association.py", "design.py", "edges.py", "gene_sets.py", "permutation.py"),
    output:
        edges="<results>/{cell_type}/associations/{phenotype}/edges.tsv",
        components="<results>/{cell_type}/associations/{phenotype}/components.tsv",
        connectivity="<results>/{cell_type}/associations/{phenotype}/connectivity.tsv",
        sample_connectivity="<results>/{cell_type}/associations/{phenotype}/sample_connectivity.tsv",
        consensus="<results>/{cell_type}/associations/{phenotype}/consensus.tsv",
        consensus_edges="<results>/{cell_type}/associations/{phenotype}/consensus_edges.parquet",
    log:
        "<logs>/{cell_type}/test_edges/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/test_edges/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        phenotype=phenotype_params,
        covariates=covariate_params(),
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Test edges in {wildcards.cell_type} against {wildcards.phenotype}"
    script:
        "../scripts/test_edges.py"
