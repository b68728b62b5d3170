# Genotypes, and what their tests compare.
rule read_genotypes:
    input:
        data=vcf_files(),
        samples="<results>/study/donors.tsv",
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
        sheet=variants_part(cohort),
        preset=config["preset"],
    message:
        "Read the genotypes"
    script:
        "../scripts/genotypes/read_genotypes.py"


rule make_genome_design:
    input:
        genotypes="<results>/variants/genotypes.h5ad",
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        "<results>/variants/{phenotype}/design.npz",
    log:
        "<logs>/variants/make_genome_design/{phenotype}.log",
    benchmark:
        "<benchmarks>/variants/make_genome_design/{phenotype}.tsv"
    conda:
        "../../envs/variants.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        covariates=covariate_names(),
        categorical=categorical_names(),
        components=getattr(cohort.variants, "components", 0),
        preset=config["preset"],
    message:
        "Say which genomes are compared for {wildcards.phenotype}"
    script:
        "../scripts/associations/make_genome_design.py"
