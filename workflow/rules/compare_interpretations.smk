# What siVAE's latent dimensions stand for, by its loadings and by attributions of its decoder.
# Two dimensions as in the paper, and the study's.
EXPLAINED = ["sivae-plane", *(["sivae"] if SIVAE["latent"] != 2 else [])]


rule explain_dimensions:
    input:
        cells="<results>/comparisons/cells.h5ad",
        models=expand("<results>/comparisons/models/{variant}", variant=EXPLAINED),
        model_status=expand("<results>/comparisons/models/{variant}.tsv", variant=EXPLAINED),
    output:
        pairs="<results>/comparisons/interpretations.tsv",
        summary="<results>/comparisons/interpretations_summary.tsv",
        genes="<results>/comparisons/interpretations_genes.tsv",
        relevance="<results>/comparisons/gene_relevance.tsv",
        methods="<results>/comparisons/interpretations_methods.tsv",
    log:
        "<logs>/comparisons/explain_dimensions.log",
    benchmark:
        "<benchmarks>/comparisons/explain_dimensions.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        methods=config["comparisons"]["interpretations"],
        latents={"sivae-plane": 2, "sivae": SIVAE["latent"]},
        seed=config["seed"],
    message:
        "Interpret siVAE's latent dimensions by every method"
    script:
        "../scripts/comparisons/explain_dimensions.py"


rule time_interpretations:
    output:
        times="<results>/comparisons/times.tsv",
        methods="<results>/comparisons/times_methods.tsv",
    log:
        "<logs>/comparisons/time_interpretations.log",
    benchmark:
        "<benchmarks>/comparisons/time_interpretations.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        timing=config["comparisons"]["timing"],
        sivae=SIVAE,
        plan=presets.training_plan(config),
        seed=config["seed"],
    message:
        "Time siVAE beside a VAE and its attributions"
    script:
        "../scripts/comparisons/time_interpretations.py"


rule draw_interpretations:
    input:
        cells="<results>/comparisons/cells.h5ad",
        summary="<results>/comparisons/interpretations_summary.tsv",
        methods="<results>/comparisons/interpretations_methods.tsv",
        times="<results>/comparisons/times.tsv",
    output:
        **figures(
            "<results>/figures/comparisons",
            "interpretations",
            "interpretation_times",
            category="Comparisons",
        ),
    log:
        "<logs>/comparisons/draw_interpretations.log",
    conda:
        "../../envs/figures.yaml"
    params:
        caption=caption,
    message:
        "Draw how interpretations of latent dimensions agree, and how long they take"
    script:
        "../scripts/figures/draw_interpretations.py"
