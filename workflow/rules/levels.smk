# The overall test of a categorical phenotype of three levels or more, beside its contrasts.
rule associate_levels:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        phenotype=values_of_levels,
        gene_sets="<chosen>/study/gene_sets.json",
        measures=measures,
        programmes=lambda wildcards: of_analysis("programmes", wildcards, "programmes.h5ad"),
        programme_names=lambda wildcards: of_analysis("programmes", wildcards, "programmes.tsv"),
        modules=lambda wildcards: of_analysis("modules", wildcards, "modules.h5ad"),
        module_names=lambda wildcards: of_analysis("modules", wildcards, "modules.tsv"),
        pairs=lambda wildcards: edges_of(wildcards, "pairs.h5ad"),
    output:
        table="<results>/{cell_type}/associations/{phenotype}/{network}/levels.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/{network}/levels.null.tsv",
    log:
        "<logs>/{cell_type}/associate_levels/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_levels/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        phenotype=levels_params,
        covariates=lambda wildcards: covariate_names(),
        categorical=lambda wildcards: categorical_names(),
        adjust=lambda wildcards: adjusts_for(wildcards.get("network")),
        equal_depth=lambda wildcards: has_equal_depth(wildcards.get("network")),
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Ask whether any levels of {wildcards.phenotype} differ in {wildcards.cell_type}"
    script:
        "../scripts/associations/associate_levels.py"


use rule associate_levels as associate_levels_with_expression with:
    input:
        bins="<results>/{cell_type}/expression_summary.h5ad",
        phenotype=values_of_levels,
        measures=lambda wildcards: f"<results>/{wildcards.cell_type}/networks/expression_measures.tsv",
        composition=composition,
    output:
        table="<results>/{cell_type}/associations/{phenotype}/expression/levels.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/expression/levels.null.tsv",
    log:
        "<logs>/{cell_type}/associate_levels_with_expression/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_levels_with_expression/{phenotype}.tsv"


rule gather_levels:
    input:
        lambda wildcards: [
            f"<results>/{wildcards.cell_type}/associations/{wildcards.phenotype}/{one}/levels.tsv"
            for one in values_compared()
        ],
    output:
        "<results>/{cell_type}/associations/{phenotype}/levels.tsv",
    log:
        "<logs>/{cell_type}/gather_levels/{phenotype}.log",
    conda:
        "../../envs/statistics.yaml"
    params:
        networks=lambda wildcards: values_compared(),
    message:
        "Gather what differs between levels of {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/associations/gather_cell_types.py"
