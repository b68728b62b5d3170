rule simulate_cohort:
    input:
        sheet=config["cohort"],
        samples=cohort.table,
        genes=workflow.source_path("../../resources/demo_genes.tsv"),
        code=library("simulation.py"),
    output:
        data=cohort.simulation.files,
        truth="<results>/simulated/truth.json",
    log:
        "<logs>/simulate_cohort.log",
    benchmark:
        "<benchmarks>/simulate_cohort.tsv"
    conda:
        "../../envs/cells.yaml"
    params:
        seed=cohort.simulation.seed,
    message:
        "Simulate the cells and variants of the cohort"
    script:
        "../scripts/simulate_cohort.py"
