# Model selection, for `snakemake tune` alone: a study does not depend on it.
rule tune_sivae:
    input:
        plan="<results>/bins.tsv",
        expression="<results>/{cell_type}/expression.h5ad",
        code=sivae_code("tuning"),
    output:
        "<results>/{cell_type}/tuning/{batch}.tsv",
    log:
        "<logs>/{cell_type}/tune_sivae/{batch}.log",
    benchmark:
        "<benchmarks>/{cell_type}/tune_sivae/{batch}.tsv"
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        bin=tuned_bin,
        grid={key: config["tuning"][key] for key in ("learning_rates", "l2", "latents", "hidden")},
        sivae=config["sivae"],
        plan=training_plan(config),
        device=config["training"]["device"],
        seed=config["seed"],
    message:
        "Compare settings on a bin of {wildcards.cell_type}, job {wildcards.batch}"
    script:
        "../scripts/tune_sivae.py"


rule gather_tuning:
    input:
        bins=tuning_tables,
        code=library("sivae/tuning.py"),
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
        "../scripts/gather_tuning.py"


rule draw_tuning:
    input:
        plan="<results>/bins.tsv",
        tuning="<results>/{cell_type}/tuning/tuning.tsv",
        code=library("figures/tuning.py"),
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
        "../scripts/draw_tuning.py"
