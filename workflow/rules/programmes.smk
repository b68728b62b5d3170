# Groups of genes that vary together in all samples, from the cohort's model, and their tests.
rule find_programmes:
    input:
        models=shared_models("<chosen>/{cell_type}/shared"),
        expression="<results>/{cell_type}/expression.h5ad",
        bins="<results>/{cell_type}/networks/shared/bins.h5ad",
    output:
        loadings="<results>/{cell_type}/networks/shared/programme_loadings.h5ad",
        values="<results>/{cell_type}/networks/shared/programmes.h5ad",
    log:
        "<logs>/{cell_type}/find_programmes.log",
    benchmark:
        "<benchmarks>/{cell_type}/find_programmes.tsv"
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    message:
        "Find the programmes of {wildcards.cell_type}"
    script:
        "../scripts/networks/find_programmes.py"


# Apart, so that a gene set that is added changes names alone.
rule name_programmes:
    input:
        loadings="<results>/{cell_type}/networks/shared/programme_loadings.h5ad",
        gene_sets="<chosen>/study/gene_sets.json",
    output:
        "<results>/{cell_type}/networks/shared/programmes.tsv",
    log:
        "<logs>/{cell_type}/name_programmes.log",
    conda:
        "../../envs/statistics.yaml"
    message:
        "Name the programmes of {wildcards.cell_type} by their genes"
    script:
        "../scripts/networks/name_programmes.py"


rule associate_programmes:
    input:
        programmes="<results>/{cell_type}/networks/shared/programmes.h5ad",
        names="<results>/{cell_type}/networks/shared/programmes.tsv",
        measures="<results>/{cell_type}/networks/shared/measures.tsv",
        composition=composition,
        design="<results>/{cell_type}/associations/{phenotype}/shared/design.npz",
    output:
        table="<results>/{cell_type}/associations/{phenotype}/shared/programmes.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/shared/programmes.null.tsv",
    log:
        "<logs>/{cell_type}/associate_programmes/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_programmes/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate the programmes of {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_programmes.py"
