# Networks of the compared cells by every method: their hubs against the truth, their neighbours.
SIMILARITIES = ["neighbour_overlap", "neighbour_correlation"]
COMPARED_NETWORKS = ["centralities", "hubs", "neighbours", *SIMILARITIES]
NETWORK_FIGURES = ["hub_centrality", "hub_accuracy", "neighbour_prediction", *SIMILARITIES]
NETWORK_METHODS = config["comparisons"]["networks"]
# Of the genes whose truth is measured, one job takes about so many.
TRUTH_JOBS = range(1, 1 + -(-config["comparisons"]["genes"] // 125))


rule train_compared_sivae:
    input:
        cells="<results>/comparisons/cells.h5ad",
    output:
        model=directory("<results>/comparisons/models/{variant}"),
        status="<results>/comparisons/models/{variant}.tsv",
    log:
        "<logs>/comparisons/train_sivae/{variant}.log",
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        sivae=SIVAE,
        plan=presets.training_plan(config),
        seed=config["seed"],
    message:
        "Train {wildcards.variant} on the compared cells"
    script:
        "../scripts/comparisons/train_compared_sivae.py"


rule infer_network:
    input:
        cells="<results>/comparisons/cells.h5ad",
    output:
        network="<results>/comparisons/networks/{method}.h5ad",
        status="<results>/comparisons/networks/{method}.tsv",
    log:
        "<logs>/comparisons/infer_network/{method}.log",
    wildcard_constraints:
        method=r"(?!sivae)[a-z0-9-]+",
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        sivae=SIVAE,
        plan=presets.training_plan(config),
        epochs=config["comparisons"]["epochs"],
        seed=config["seed"],
    message:
        "Infer the network of the compared cells: {output.network}"
    script:
        "../scripts/comparisons/infer_network.py"


use rule infer_network as infer_sivae_network with:
    input:
        cells="<results>/comparisons/cells.h5ad",
        model="<results>/comparisons/models/{variant}",
        model_status="<results>/comparisons/models/{variant}.tsv",
    output:
        network="<results>/comparisons/networks/{variant}-{how}.h5ad",
        status="<results>/comparisons/networks/{variant}-{how}.tsv",
    log:
        "<logs>/comparisons/infer_network/{variant}-{how}.log",
    wildcard_constraints:
        variant=r"sivae(-gamma0)?",
        how=r"[a-z0-9]+",


rule predict_genes:
    input:
        cells="<results>/comparisons/cells.h5ad",
    output:
        "<results>/comparisons/truth/{job}.tsv",
    log:
        "<logs>/comparisons/predict_genes/{job}.log",
    benchmark:
        "<benchmarks>/comparisons/predict_genes/{job}.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        n_jobs=len(TRUTH_JOBS),
        seed=config["seed"],
    message:
        "Measure how well genes predict all others, job {wildcards.job} of {params.n_jobs}"
    script:
        "../scripts/comparisons/predict_genes.py"


rule compare_networks:
    input:
        cells="<results>/comparisons/cells.h5ad",
        networks=expand("<results>/comparisons/networks/{method}.h5ad", method=NETWORK_METHODS),
        status=expand("<results>/comparisons/networks/{method}.tsv", method=NETWORK_METHODS),
        truth=expand("<results>/comparisons/truth/{job}.tsv", job=TRUTH_JOBS),
    output:
        **{name: f"<results>/comparisons/{name}.tsv" for name in COMPARED_NETWORKS},
        methods="<results>/comparisons/networks_methods.tsv",
        by_gene="<results>/comparisons/neighbours_by_gene.tsv",
    log:
        "<logs>/comparisons/compare_networks.log",
    benchmark:
        "<benchmarks>/comparisons/compare_networks.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        seed=config["seed"],
    message:
        "Compare the hubs and neighbours of every method"
    script:
        "../scripts/comparisons/compare_networks.py"


rule draw_compared_networks:
    input:
        **{name: f"<results>/comparisons/{name}.tsv" for name in COMPARED_NETWORKS},
    output:
        **figures("<results>/figures/comparisons", *NETWORK_FIGURES, category="Comparisons"),
    log:
        "<logs>/comparisons/draw_compared_networks.log",
    conda:
        "../../envs/figures.yaml"
    params:
        caption=caption,
    message:
        "Draw the hubs and neighbours of every method"
    script:
        "../scripts/figures/draw_compared_networks.py"
