# What can be measured, before any phenotype is looked at; preset paper tests everything.
WITH_EDGES = [network for network in NETWORKS if network not in OWN_VALUES]
ESTIMATED = [network for network in NETWORKS if network not in OWN]
# Networks of which a few bins are trained twice.
TRAINED = [network for network in NETWORKS if network in ("shared", "sivae")]


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
            f"<results>/{wildcards.cell_type}/seeds/training.tsv"
            if wildcards.network == "sivae"
            else []
        ),
        models=lambda wildcards: (
            shared_models(f"<results>/{wildcards.cell_type}/shared")[1:]
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


rule measure_reliability:
    input:
        **{
            name: [f"<results>/{{cell_type}}/networks/{one}/{file}" for one in networks]
            for name, networks, file in (
                ("bins", NETWORKS, "bins.h5ad"),
                ("seeds", TRAINED, "seeds.tsv"),
                ("edges", WITH_EDGES, "bin_edges.parquet"),
                ("halves", ESTIMATED, "halves.h5ad"),
                ("half_edges", ESTIMATED, "half_edges.parquet"),
            )
        },
        summary=expression_summary,
        programmes=lambda wildcards: (
            [f"<results>/{wildcards.cell_type}/networks/shared/programmes.h5ad"]
            if "shared" in NETWORKS and "programmes" in analyses()
            else []
        ),
    output:
        "<results>/{cell_type}/networks/measures.tsv",
    log:
        "<logs>/{cell_type}/measure_reliability.log",
    benchmark:
        "<benchmarks>/{cell_type}/measure_reliability.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        networks=NETWORKS,
        with_edges=WITH_EDGES,
        estimated=ESTIMATED,
        trained=TRAINED,
        # Mean expression and programmes have no name.
        adjust={
            network: ["depth"] * ("depth" in adjusts_for(network)) + ["batch"]
            for network in ["", *NETWORKS]
        },
        preset=config["preset"],
        min_icc=config["statistics"]["min_icc"],
        seed=config["seed"],
    message:
        "Measure what is reproducible in {wildcards.cell_type}"
    script:
        "../scripts/networks/measure_reliability.py"
