# The resolved study: what the sheet asks for, in small files of which every stage reads its part.
# Changes of the sheet arrive as parameters, and every phenotype has a file of its own: a new one, or a
# new gene set, leaves the files of the others, and what was made from them, as they are.
rule describe_samples:
    input:
        data=cell_files(),
        bins="<results>/bins.tsv",
    output:
        "<results>/samples.tsv",
    log:
        "<logs>/describe_samples.log",
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        cells=cells_part(cohort),
        phenotypes=[phenotype_part(cohort, phenotype.name) for phenotype in cohort.phenotypes],
        columns=None,
    message:
        "Write down the phenotypes and covariates of all samples"
    script:
        "../scripts/study/describe_samples.py"


rule resolve_phenotype:
    input:
        data=cell_files(),
        bins="<results>/bins.tsv",
    output:
        "<results>/study/phenotypes/{phenotype}.tsv",
    log:
        "<logs>/resolve_phenotype/{phenotype}.log",
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        sheet=lambda wildcards: phenotype_part(cohort, phenotypes[wildcards.phenotype].name),
        columns=lambda wildcards: phenotype_columns(wildcards.phenotype),
    message:
        "Write down {wildcards.phenotype} and the covariates of all samples"
    script:
        "../scripts/study/describe_samples.py"


use rule resolve_phenotype as resolve_covariates with:
    output:
        "<results>/study/covariates.tsv",
    log:
        "<logs>/resolve_covariates.log",
    params:
        sheet=covariates_part(),
        columns=lambda wildcards: ["sample", "donor", "batch", *covariate_names()],
    message:
        "Write down the covariates of all samples"


rule resolve_gene_sets:
    input:
        [gene_set.gmt for gene_set in cohort.gene_sets if gene_set.gmt],
    output:
        "<results>/study/gene_sets.json",
    log:
        "<logs>/resolve_gene_sets.log",
    conda:
        "../../envs/cells.yaml"
    params:
        gene_sets=gene_sets_part(cohort),
    message:
        "Write down the gene sets"
    script:
        "../scripts/study/resolve_gene_sets.py"
