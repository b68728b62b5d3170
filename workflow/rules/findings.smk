rule correct_study:
    input:
        measures=lambda wildcards: [table for _, table in measured_tables()],
        tables=lambda wildcards: [test[-1] for test in centrality_tests("centrality.tsv")],
        maxima=lambda wildcards: [test[-1] for test in centrality_tests("maxima.parquet")],
    output:
        "<results>/associations.tsv",
    log:
        "<logs>/correct_study.log",
    conda:
        "../../envs/statistics.yaml"
    params:
        tests=lambda wildcards, input: [
            [*test, *files] for test, *files in zip(centrality_tests(), input.tables, input.maxima)
        ],
        measures=lambda wildcards: in_place(measured_tables()),
        networks=NETWORKS,
        seed=config["seed"],
    message:
        "Correct the tests of all cell types and phenotypes for each other"
    script:
        "../scripts/findings/correct_study.py"


rule summarise_findings:
    input:
        measures=lambda wildcards: [table for _, table in measured_tables()],
        tables=lambda wildcards: [table[-2] for table in tested_tables()],
        nulls=lambda wildcards: [table[-1] for table in tested_tables()],
    output:
        "<results>/findings.tsv",
    log:
        "<logs>/summarise_findings.log",
    conda:
        "../../envs/cells.yaml"
    params:
        tables=lambda wildcards, input: [
            [*table[:-2], *files]
            for table, *files in zip(tested_tables(), input.tables, input.nulls)
        ],
        measures=lambda wildcards: in_place(measured_tables()),
        networks=NETWORKS,
        preset=config["preset"],
        fdr=config["statistics"]["fdr"],
    message:
        "Summarise what was found"
    script:
        "../scripts/findings/summarise_findings.py"


rule write_report:
    input:
        shown_files,
        figures=lambda wildcards: [figure[4] for figure in drawn_figures()],
    output:
        report(
            "<results>/report.html",
            caption="../report/page.rst",
            category="Findings",
            labels={"result": "The page of the study", "cell type": "all"},
        ),
    log:
        "<logs>/write_report.log",
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        study=lambda wildcards: shown_study(),
        figures=lambda wildcards, input: captioned(),
    message:
        "Write the page of the study"
    script:
        "../scripts/report/write_report.py"
