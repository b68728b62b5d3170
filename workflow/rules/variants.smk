rule read_genotypes:
    input:
        sheet=config["cohort"],
        data=cohort.files,
        samples="<results>/samples.tsv",
        code=library("genotypes.py"),
    output:
        "<results>/variants/genotypes.h5ad",
    log:
        "<logs>/variants/read_genotypes.log",
    benchmark:
        "<benchmarks>/variants/read_genotypes.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    message:
        "Read the genotypes"
    script:
        "../scripts/read_genotypes.py"


rule test_variants:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/samples.tsv",
        genes=workflow.source_path("../../resources/mtdna_genes.tsv"),
        code=library("burden.py", "association.py"),
    output:
        "<results>/variants/{phenotype}/single.tsv",
    log:
        "<logs>/variants/test_variants/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/test_variants/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    params:
        phenotype=phenotype_params,
        preset=config["preset"],
    message:
        "Test single variants against {wildcards.phenotype}"
    script:
        "../scripts/test_variants.py"


rule test_burden:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/samples.tsv",
        genes=workflow.source_path("../../resources/mtdna_genes.tsv"),
        code=library("burden.py", "association.py"),
    output:
        "<results>/variants/{phenotype}/burden.tsv",
    log:
        "<logs>/variants/test_burden/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/test_burden/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    params:
        phenotype=phenotype_params,
        preset=config["preset"],
    message:
        "Test the burden of mtDNA genes against {wildcards.phenotype}"
    script:
        "../scripts/test_burden.py"
