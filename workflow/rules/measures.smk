# What can be measured, before any phenotype is looked at; preset paper tests everything.
use rule train_sivae as train_again with:
    input:
        plan="<results>/bins.tsv",
        expression="<results>/{cell_type}/expression.h5ad",
        start=lambda wildcards: start_of_bins(wildcards)[:1],
    output:
        "<results>/{cell_type}/seeds/training.tsv",
    log:
        "<logs>/{cell_type}/train_again.log",
    benchmark:
        "<benchmarks>/{cell_type}/train_again.tsv"
    params:
        bins=few_bins,
        models=f"{RESULTS}/{{cell_type}}/seeds/models",
        seed=config["seed"] + 1,
        seeds=1,
    message:
        "Train siVAE on a few bins of {wildcards.cell_type} once more, with another seed"


# Of the cohort's siVAE, the two models of the folds are compared.
rule compare_seeds:
    input:
        plan="<results>/bins.tsv",
        trained=lambda wildcards: trained_jobs(wildcards) if wildcards.network == "sivae" else [],
        again=lambda wildcards: (
            once_planned(f"<results>/{wildcards.cell_type}/seeds/training.tsv")
            if wildcards.network == "sivae"
            else []
        ),
        models=lambda wildcards: (
            shared_models(f"<chosen>/{wildcards.cell_type}/shared")[1:]
            if wildcards.network == "shared"
            else []
        ),
        expression="<results>/{cell_type}/expression.h5ad",
        summary="<results>/{cell_type}/expression_summary.h5ad",
    output:
        "<results>/{cell_type}/networks/{network}/seeds.tsv",
    log:
        "<logs>/{cell_type}/compare_seeds/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/compare_seeds/{network}.tsv"
    wildcard_constraints:
        network="shared|sivae",
    conda:
        training_environment()
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        bins=few_bins,
        models=f"{RESULTS}/{{cell_type}}/models",
        models_again=f"{RESULTS}/{{cell_type}}/seeds/models",
        networks=config["networks"],
        definition=presets.edge_definition(config),
    message:
        "Compare two trainings of a few bins of {wildcards.cell_type} ({wildcards.network})"
    script:
        "../scripts/networks/compare_seeds.py"


# What bins of one sample agree on: of networks of the user's own no halves of bins are known, and no
# second training.
rule measure_network:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        edges=lambda wildcards: edges_of(wildcards, "bin_edges.parquet"),
        halves=lambda wildcards: of_estimated(wildcards, "halves.h5ad"),
        half_edges=lambda wildcards: of_estimated(wildcards, "half_edges.parquet"),
        seeds=lambda wildcards: (
            once_planned(f"<results>/{wildcards.cell_type}/networks/{wildcards.network}/seeds.tsv")
            if wildcards.network in ("shared", "sivae")
            else []
        ),
        programmes=lambda wildcards: (
            f"<results>/{wildcards.cell_type}/networks/shared/programmes.h5ad"
            if wildcards.network == "shared"
            else []
        ),
        modules=lambda wildcards: of_estimated(wildcards, "modules.h5ad"),
        half_modules=lambda wildcards: of_estimated(wildcards, "half_modules.h5ad"),
    output:
        "<results>/{cell_type}/networks/{network}/measures.tsv",
    log:
        "<logs>/{cell_type}/measure_network/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/measure_network/{network}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        adjust=lambda wildcards: ["depth"] * ("depth" in adjusts_for(wildcards.network)) + ["batch"],
        equal_depth=lambda wildcards: has_equal_depth(wildcards.network),
        kernels=list(presets.PRESETS[config["preset"]].kernels),
        min_icc=config["statistics"]["min_icc"],
        seed=config["seed"],
    message:
        "Measure what is reproducible in {wildcards.cell_type} ({wildcards.network})"
    script:
        "../scripts/networks/measure_network.py"


rule measure_expression:
    input:
        "<results>/{cell_type}/expression_summary.h5ad",
    output:
        "<results>/{cell_type}/networks/expression_measures.tsv",
    log:
        "<logs>/{cell_type}/measure_expression.log",
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        adjust=["depth"] * ("depth" in presets.adjusted(config)) + ["batch"],
        min_icc=config["statistics"]["min_icc"],
        seed=config["seed"],
    message:
        "Measure what is reproducible of the expression in {wildcards.cell_type}"
    script:
        "../scripts/networks/measure_expression.py"


rule gather_measures:
    input:
        ["<results>/{cell_type}/networks/expression_measures.tsv"] * cohort.has_cells,
        [f"<results>/{{cell_type}}/networks/{one}/measures.tsv" for one in NETWORKS],
    output:
        "<results>/{cell_type}/networks/measures.tsv",
    log:
        "<logs>/{cell_type}/gather_measures.log",
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    message:
        "Put what can be measured in {wildcards.cell_type} into one table, with expression"
    script:
        "../scripts/networks/gather_measures.py"
