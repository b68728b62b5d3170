# The resolved study: what the sheet asks for, in small files of which every stage reads its part.
# Changes of the sheet arrive as parameters, so that a new phenotype or gene set leaves the files of
# the others, and what was made from them, as they are.
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
        phenotypes=[phenotype_part(cohort, name) for name in [p.name for p in cohort.phenotypes]],
    message:
        "Write down the phenotypes and covariates of all samples"
    script:
        "../scripts/study/describe_samples.py"


rule select_phenotype:
    input:
        bins="<results>/bins.tsv",
        # A column that is added for another phenotype does not change this one.
        samples=ancient("<results>/samples.tsv"),
    output:
        "<results>/study/phenotypes/{phenotype}.tsv",
    log:
        "<logs>/select_phenotype/{phenotype}.log",
    conda:
        "../../envs/cells.yaml"
    params:
        sheet=lambda wildcards: phenotype_part(cohort, phenotypes[wildcards.phenotype].name),
        columns=lambda wildcards: phenotype_columns(wildcards.phenotype),
    message:
        "Select the values of {wildcards.phenotype}"
    script:
        "../scripts/study/select_phenotype.py"


rule select_covariates:
    input:
        bins="<results>/bins.tsv",
        samples=ancient("<results>/samples.tsv"),
    output:
        "<results>/study/covariates.tsv",
    log:
        "<logs>/select_covariates.log",
    conda:
        "../../envs/cells.yaml"
    params:
        columns=["sample", "donor", "batch", *covariate_names()],
    message:
        "Select the covariates"
    script:
        "../scripts/study/select_phenotype.py"


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
