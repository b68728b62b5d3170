# The siVAE of the cohort: one whose gene space all networks share, and two that each did not see the
# cells of a fold. They are kept when samples are added, or every network would change.
rule train_shared:
    input:
        donors="<results>/study/donors.tsv",
        expression="<results>/{cell_type}/expression.h5ad",
    output:
        fit=update("<results>/{cell_type}/shared/{part}/fit.json"),
        model=update("<results>/{cell_type}/shared/{part}/model.safetensors"),
        basis=update("<results>/{cell_type}/shared/{part}/basis.json"),
    log:
        "<logs>/{cell_type}/train_shared/{part}.log",
    benchmark:
        "<benchmarks>/{cell_type}/train_shared/{part}.tsv"
    wildcard_constraints:
        part="all|fold1|fold2",
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        sivae=SIVAE,
        plan=presets.training_plan(config),
        device=config["training"]["device"],
        seed=config["seed"],
    message:
        "Train the siVAE of {wildcards.cell_type} ({wildcards.part})"
    script:
        "../scripts/sivae/train_shared.py"


# The models go to {cell_type}/models/, one file per bin and seed. How many bins there are is known only
# after the checkpoint, so the declared output is the table of what a job trained; a job that runs
# again keeps every model whose cells, settings and seed are unchanged.
rule train_sivae:
    input:
        plan="<results>/bins.tsv",
        expression="<results>/{cell_type}/expression.h5ad",
        start=start_of_bins,
    output:
        "<results>/{cell_type}/training/{job}.tsv",
    log:
        "<logs>/{cell_type}/train_sivae/{job}.log",
    benchmark:
        "<benchmarks>/{cell_type}/train_sivae/{job}.tsv"
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        bins=job_bins,
        models=f"{RESULTS}/{{cell_type}}/models",
        sivae=SIVAE,
        plan=presets.training_plan(config),
        device=config["training"]["device"],
        stack=config["training"]["stack"],
        seed=config["seed"],
        seeds=config["training"]["seeds"],
    message:
        "Train siVAE on bins of {wildcards.cell_type}, job {wildcards.job}"
    script:
        "../scripts/sivae/train_sivae.py"
