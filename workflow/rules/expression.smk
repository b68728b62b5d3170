# Differential expression on the same samples: the positive control of the networks' tests.
use rule make_design as make_expression_design with:
    input:
        bins="<results>/{cell_type}/expression_summary.h5ad",
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        design="<results>/{cell_type}/associations/{phenotype}/expression/design.npz",
        covariates="<results>/{cell_type}/associations/{phenotype}/expression/covariates.tsv",
    log:
        "<logs>/{cell_type}/make_expression_design/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/make_expression_design/{phenotype}.tsv"


rule associate_expression:
    input:
        summary="<results>/{cell_type}/expression_summary.h5ad",
        design="<results>/{cell_type}/associations/{phenotype}/expression/design.npz",
        measures="<results>/{cell_type}/networks/expression_measures.tsv",
    output:
        table="<results>/{cell_type}/associations/{phenotype}/expression.tsv",
        expression="<results>/{cell_type}/associations/{phenotype}/expression.null.tsv",
        detection="<results>/{cell_type}/associations/{phenotype}/detection.null.tsv",
    log:
        "<logs>/{cell_type}/associate_expression/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_expression/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate expression in {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_expression.py"
