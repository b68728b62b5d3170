# Methods of dimension reduction: k-NN accuracy, weights of interpretability, batches, other data.
rule embed_cells:
    input:
        cells="<results>/comparisons/cells.h5ad",
    output:
        accuracy="<results>/comparisons/embeddings/{method}.tsv",
        types="<results>/comparisons/embeddings/{method}_types.tsv",
        scores="<results>/comparisons/embeddings/{method}_scores.tsv",
        status="<results>/comparisons/embeddings/{method}_status.tsv",
    log:
        "<logs>/comparisons/embed_cells/{method}.log",
    benchmark:
        "<benchmarks>/comparisons/embed_cells/{method}.tsv"
    wildcard_constraints:
        method=r"[a-z0-9-]+",
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        latents=config["comparisons"]["latents"],
        folds=config["comparisons"]["folds"],
        epochs=config["comparisons"]["epochs"],
        sivae=SIVAE,
        plan=presets.training_plan(config),
        seed=config["seed"],
    message:
        "Embed cells by {wildcards.method}"
    script:
        "../scripts/comparisons/embed_cells.py"


rule compare_gammas:
    input:
        cells="<results>/comparisons/cells.h5ad",
    output:
        gammas="<results>/comparisons/gammas.tsv",
        status="<results>/comparisons/gammas_status.tsv",
    log:
        "<logs>/comparisons/compare_gammas.log",
    benchmark:
        "<benchmarks>/comparisons/compare_gammas.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        gammas=config["comparisons"]["gammas"],
        latents=config["comparisons"]["latents"],
        folds=config["comparisons"]["folds"],
        sivae=SIVAE,
        plan=presets.training_plan(config),
        seed=config["seed"],
    message:
        "Train siVAE with growing weights of the interpretability term"
    script:
        "../scripts/comparisons/compare_gammas.py"


rule compare_batches:
    input:
        cells="<results>/comparisons/cells.h5ad",
    output:
        mixing="<results>/comparisons/mixing.tsv",
        maps="<results>/comparisons/mixing_maps.tsv",
        status="<results>/comparisons/mixing_status.tsv",
    log:
        "<logs>/comparisons/compare_batches.log",
    benchmark:
        "<benchmarks>/comparisons/compare_batches.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        latents=config["comparisons"]["latents"],
        epochs=config["comparisons"]["epochs"],
        sivae=SIVAE,
        plan=presets.training_plan(config),
        seed=config["seed"],
    message:
        "Embed cells with and without batch correction"
    script:
        "../scripts/comparisons/compare_batches.py"


rule compare_other_data:
    output:
        images="<results>/comparisons/images.tsv",
        chromatin="<results>/comparisons/chromatin.tsv",
        points="<results>/comparisons/chromatin_points.tsv",
        status="<results>/comparisons/images_status.tsv",
    log:
        "<logs>/comparisons/compare_other_data.log",
    benchmark:
        "<benchmarks>/comparisons/compare_other_data.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        images=config["comparisons"]["images"],
        latents=config["comparisons"]["latents"],
        folds=config["comparisons"]["folds"],
        seed=config["seed"],
    message:
        "Train siVAE on images and on simulated chromatin"
    script:
        "../scripts/comparisons/compare_other_data.py"
