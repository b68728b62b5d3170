checkpoint plan_bins:
    input:
        cell_files() if cohort.has_cells else [network.path for network in OWN.values()],
    output:
        # The bins first, since Snakemake looks for the first file among the inputs of what depends on
        # the plan. The formatter puts ** before names.
        **(
            {"bins": "<results>/bins.tsv"}
            | ({"cells": "<results>/binned_cells.parquet"} if cohort.has_cells else {})
        ),
        excluded="<results>/unbinned.tsv",
        donors="<results>/study/donors.tsv",
    log:
        "<logs>/plan_bins.log",
    benchmark:
        "<benchmarks>/plan_bins.tsv"
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        cells=cells_part(cohort),
        donors={sample.id: sample.donor for sample in cohort.samples or ()},
        size=config["bins"]["size"],
        seed=config["seed"],
        regress=config["genes"]["regress"],
    message:
        "Check the sheet against the cells and plan bins of {params.size} cells"
    script:
        "../scripts/cells/plan_bins.py"


# Which bins do not train is known long after the checkpoint, whose files nothing may touch again.
rule list_excluded:
    input:
        bins="<results>/bins.tsv",
        unbinned="<results>/unbinned.tsv",
        trained=lambda wildcards: trained_tables(),
    output:
        "<results>/excluded.tsv",
    log:
        "<logs>/list_excluded.log",
    conda:
        "../../envs/cells.yaml"
    message:
        "List all cells that are not part of the study"
    script:
        "../scripts/findings/list_excluded.py"


rule record_cohort:
    input:
        bins="<results>/bins.tsv",
        excluded="<results>/excluded.tsv",
        samples="<results>/samples.tsv",
        trained=lambda wildcards: trained_tables(),
        shared=lambda wildcards: [
            f"<chosen>/{cell_type}/shared/{part}/basis.json"
            for cell_type in cell_types() * presets.shares_model(config)
            for part in ("all", "fold1", "fold2")
        ],
        depths=lambda wildcards: depth_files("depth_target.json"),
    output:
        "<results>/cohort.json",
    log:
        "<logs>/record_cohort.log",
    conda:
        "../../envs/cells.yaml"
    params:
        cohort=cohort.name,
        config=config,
    message:
        "Write down what the study is made of"
    script:
        "../scripts/findings/record_cohort.py"
