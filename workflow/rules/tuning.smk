# Model selection, for `snakemake tune` alone: a study does not depend on it.
rule tune_sivae:
    input:
        plan="<results>/bins.tsv",
        expression="<results>/{cell_type}/expression.h5ad",
    output:
        "<results>/{cell_type}/tuning/{job}.tsv",
    log:
        "<logs>/{cell_type}/tune_sivae/{job}.log",
    benchmark:
        "<benchmarks>/{cell_type}/tune_sivae/{job}.tsv"
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        bin=tuned_bin,
        grid={key: config["tuning"][key] for key in ("learning_rates", "l2", "latents", "hidden")},
        sivae=SIVAE,
        plan=presets.training_plan(config),
        device=config["training"]["device"],
        seed=config["seed"],
    message:
        "Compare settings on a bin of {wildcards.cell_type}, job {wildcards.job}"
    script:
        "../scripts/sivae/tune_sivae.py"


rule gather_tuning:
    input:
        bins=tuning_tables,
    output:
        report(
            "<results>/{cell_type}/tuning/tuning.tsv",
            caption="../report/tuning_table.rst",
            category="Training",
            labels=report_labels("Model selection (table)"),
        ),
    log:
        "<logs>/{cell_type}/gather_tuning.log",
    conda:
        training_environment()
    params:
        caption=caption,
    message:
        "Rank the settings compared in {wildcards.cell_type}"
    script:
        "../scripts/sivae/gather_tuning.py"


rule draw_tuning:
    input:
        plan="<results>/bins.tsv",
        tuning="<results>/{cell_type}/tuning/tuning.tsv",
    output:
        **figures("<results>/figures/{cell_type}", "tuning", category="Training"),
    log:
        "<logs>/{cell_type}/draw_tuning.log",
    conda:
        "../../envs/figures.yaml"
    params:
        caption=caption,
    message:
        "Draw the settings compared in {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_tuning.py"
