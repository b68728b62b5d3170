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
    params:
        preset=config["preset"],
    message:
        "Read the genotypes"
    script:
        "../scripts/read_genotypes.py"


rule test_variants:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/samples.tsv",
        genes=workflow.source_path("../../resources/mtdna_genes.tsv"),
        code=library("association.py", "burden.py", "design.py", "permutation.py"),
    output:
        "<results>/variants/{phenotype}/single.tsv",
    log:
        "<logs>/variants/test_variants/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/test_variants/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        covariates=covariate_params(),
        components=getattr(cohort.variants, "components", 0),
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Test single variants against {wildcards.phenotype}"
    script:
        "../scripts/test_variants.py"


rule test_burden:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/samples.tsv",
        genes=workflow.source_path("../../resources/mtdna_genes.tsv"),
        code=library("association.py", "burden.py", "design.py", "permutation.py", "skat.py"),
    output:
        "<results>/variants/{phenotype}/burden.tsv",
    log:
        "<logs>/variants/test_burden/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/test_burden/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        covariates=covariate_params(),
        components=getattr(cohort.variants, "components", 0),
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Test the burden of mtDNA genes against {wildcards.phenotype}"
    script:
        "../scripts/test_burden.py"


rule test_heteroplasmy:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/samples.tsv",
        code=library("association.py", "burden.py", "design.py", "permutation.py"),
    output:
        "<results>/variants/{phenotype}/heteroplasmy.tsv",
    log:
        "<logs>/variants/test_heteroplasmy/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/test_heteroplasmy/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    params:
        phenotype=phenotype_params,
        covariates=covariate_params(),
        components=getattr(cohort.variants, "components", 0),
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Test heteroplasmy against {wildcards.phenotype}"
    script:
        "../scripts/test_heteroplasmy.py"


rule test_mitochondrial_connectivity:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/samples.tsv",
        bins="<results>/{cell_type}/networks/bins.h5ad",
        # Edges are counted alike for all phenotypes.
        connectivity=expand(
            "<results>/{{cell_type}}/associations/{phenotype}/sample_connectivity.tsv",
            phenotype=list(phenotypes)[:1],
        ),
        genes=workflow.source_path("../../resources/mtdna_genes.tsv"),
        code=library("association.py", "burden.py", "design.py", "permutation.py"),
    output:
        "<results>/{cell_type}/variants/connectivity.tsv",
    log:
        "<logs>/{cell_type}/test_mitochondrial_connectivity.log",
    benchmark:
        "<benchmarks>/{cell_type}/test_mitochondrial_connectivity.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        covariates=covariate_params(),
        components=getattr(cohort.variants, "components", 0),
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Test mtDNA variants in {wildcards.cell_type} against the wiring of the complexes"
    script:
        "../scripts/test_mitochondrial_connectivity.py"
