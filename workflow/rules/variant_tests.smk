# Genotypes against phenotypes, and against the wiring of the complexes.
rule associate_variants:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/study/donors.tsv",
        design="<results>/variants/{phenotype}/design.npz",
    output:
        table="<results>/variants/{phenotype}/single.tsv",
        null="<results>/variants/{phenotype}/single.null.tsv",
    log:
        "<logs>/variants/associate_variants/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/associate_variants/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate single variants with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_variants.py"


rule associate_burden:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/study/donors.tsv",
        design="<results>/variants/{phenotype}/design.npz",
    output:
        table="<results>/variants/{phenotype}/burden.tsv",
        null="<results>/variants/{phenotype}/burden.null.tsv",
    log:
        "<logs>/variants/associate_burden/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/associate_burden/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate the burden of mtDNA genes with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_burden.py"


rule associate_heteroplasmy:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        samples="<results>/study/donors.tsv",
        design="<results>/variants/{phenotype}/design.npz",
    output:
        table="<results>/variants/{phenotype}/heteroplasmy.tsv",
        null="<results>/variants/{phenotype}/heteroplasmy.null.tsv",
    log:
        "<logs>/variants/associate_heteroplasmy/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/associate_heteroplasmy/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate heteroplasmy with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_heteroplasmy.py"


rule associate_wiring:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        bins=f"<results>/{{cell_type}}/networks/{FIRST}/bins.h5ad",
        connectivity=f"<results>/{{cell_type}}/networks/{FIRST}/connectivity.parquet",
        covariates="<results>/study/covariates.tsv",
    output:
        table="<results>/{cell_type}/variants/connectivity.tsv",
        null="<results>/{cell_type}/variants/genomes.null.tsv",
    log:
        "<logs>/{cell_type}/associate_wiring.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_wiring.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        covariates=covariate_names(),
        categorical=categorical_names(),
        adjust=presets.adjusted(config),
        components=getattr(cohort.variants, "components", 0),
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate mtDNA variants in {wildcards.cell_type} with the wiring of the complexes"
    script:
        "../scripts/associations/associate_wiring.py"
