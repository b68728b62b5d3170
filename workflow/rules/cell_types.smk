# Cell types of the same donors against each other: is an effect shared, or does it differ?
rule compare_cell_types:
    input:
        bins=lambda wildcards: of_types("networks/{network}/bins.h5ad", wildcards),
        tests=lambda wildcards: of_types(
            "associations/{phenotype}/{network}/centrality.tsv", wildcards
        ),
        measures=lambda wildcards: [table for _, table in measured_tables()],
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        table="<results>/associations/{phenotype}/{network}/cell_types.tsv",
        shared="<results>/associations/{phenotype}/{network}/shared.null.tsv",
        differing="<results>/associations/{phenotype}/{network}/differing.null.tsv",
    log:
        "<logs>/compare_cell_types/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/compare_cell_types/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        cell_types=lambda wildcards: list(map(cell_type_name, cell_types())),
        phenotype=phenotype_params,
        covariates=lambda wildcards: covariate_names(),
        categorical=lambda wildcards: categorical_names(),
        adjust=lambda wildcards: adjusts_for(wildcards.get("network")),
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Compare the effects of {wildcards.phenotype} between cell types"
    script:
        "../scripts/associations/compare_cell_types.py"


use rule compare_cell_types as compare_expression_of_cell_types with:
    input:
        bins=lambda wildcards: of_types("expression_summary.h5ad", wildcards),
        tests=lambda wildcards: of_types("associations/{phenotype}/expression.tsv", wildcards),
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        table="<results>/associations/{phenotype}/expression/cell_types.tsv",
        shared="<results>/associations/{phenotype}/expression/shared.null.tsv",
        differing="<results>/associations/{phenotype}/expression/differing.null.tsv",
    log:
        "<logs>/compare_expression_of_cell_types/{phenotype}.log",
    benchmark:
        "<benchmarks>/compare_expression_of_cell_types/{phenotype}.tsv"


rule gather_cell_types:
    input:
        lambda wildcards: [
            f"<results>/associations/{wildcards.phenotype}/{one}/cell_types.tsv"
            for one in compared_values()
        ],
    output:
        "<results>/associations/{phenotype}/cell_types.tsv",
    log:
        "<logs>/gather_cell_types/{phenotype}.log",
    conda:
        "../../envs/statistics.yaml"
    params:
        networks=lambda wildcards: compared_values(),
    message:
        "Gather what cell types share for {wildcards.phenotype}"
    script:
        "../scripts/associations/gather_cell_types.py"


# The same modules in the bins of two cell types; bins are weighed once more, by the genes of both.
rule weigh_modules:
    input:
        trained=lambda wildcards: (trained_jobs(wildcards) if wildcards.network == "sivae" else []),
        models=models_of_cohort,
        expression="<results>/{cell_type}/expression.h5ad",
        summary="<results>/{cell_type}/expression_summary.h5ad",
        modules=lambda wildcards: of_types("networks/{network}/module_genes.h5ad", wildcards),
    output:
        "<results>/{cell_type}/networks/{network}/modules_across.h5ad",
    log:
        "<logs>/{cell_type}/weigh_modules/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/weigh_modules/{network}.tsv"
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        cell_types=lambda wildcards: list(map(cell_type_name, cell_types())),
        own=lambda wildcards: cell_type_name(wildcards.cell_type),
        models=f"{RESULTS}/{{cell_type}}/models",
        networks=config["networks"],
        definition=presets.edge_definition(config),
        cross_fitted=presets.cross_fits(config),
        preset=config["preset"],
        max_failed_bins=config["training"]["max_failed_bins"],
        seed=config["seed"],
    message:
        "Weigh the modules of all cell types in {wildcards.cell_type} ({wildcards.network})"
    script:
        "../scripts/networks/weigh_modules.py"


rule compare_modules:
    input:
        values=lambda wildcards: of_types("networks/{network}/modules_across.h5ad", wildcards),
        names="<results>/{cell_type}/networks/{network}/modules.tsv",
        samples="<results>/study/donors.tsv",
    output:
        table="<results>/{cell_type}/networks/{network}/module_types.tsv",
        null="<results>/{cell_type}/networks/{network}/module_types.null.tsv",
    log:
        "<logs>/{cell_type}/compare_modules/{network}.log",
    conda:
        "../../envs/statistics.yaml"
    params:
        cell_types=lambda wildcards: list(map(cell_type_name, cell_types())),
        own=lambda wildcards: cell_type_name(wildcards.cell_type),
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Compare the modules of {wildcards.cell_type} ({wildcards.network}) with other cell types"
    script:
        "../scripts/associations/compare_modules.py"
