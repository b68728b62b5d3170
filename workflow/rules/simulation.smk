rule simulate_cohort:
    input:
        samples=cohort.table,
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
        made=simulated_files(),
    message:
        "Simulate the cells and variants of the cohort"
    script:
        "../scripts/simulation/simulate_cohort.py"
