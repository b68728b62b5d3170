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


rule report_findings:
    input:
        table="<results>/findings.tsv",
        measures=lambda wildcards: [table for _, table in measured_tables()],
        designs=lambda wildcards: [test[-1] for test in centrality_tests("design.tsv")],
        covariates=lambda wildcards: [test[-1] for test in centrality_tests("covariates.tsv")],
        excluded="<results>/excluded.tsv",
        networks=lambda wildcards: [
            path for row in described_networks() for path in (*row[2:4], *row[4], *row[5])
        ],
        depths=lambda wildcards: depth_files("depth.tsv"),
        replication=(
            ["<results>/replication_rates.tsv", "<results>/replication_genes.tsv"]
            if cohort.replicate
            else []
        ),
    output:
        report(
            "<results>/findings.html",
            caption="../report/findings.rst",
            category="Findings",
            labels={"result": "All findings in one table", "cell type": "all"},
        ),
    log:
        "<logs>/report_findings.log",
    conda:
        "../../envs/cells.yaml"
    params:
        designs=lambda wildcards, input: [
            [*test, *files]
            for test, *files in zip(centrality_tests(), input.designs, input.covariates)
        ],
        described=lambda wildcards: in_place(described_networks()),
        measures=lambda wildcards: in_place(measured_tables()),
        networks=NETWORKS,
        depths=lambda wildcards, input: [
            [cell_type_name(cell_type), path]
            for cell_type, path in zip(cell_types(), input.depths)
        ],
        own=list(OWN),
        has_cells=cohort.has_cells,
        size=config["bins"]["size"],
        latent=SIVAE["latent"],
        cohort=cohort.name,
        preset=config["preset"],
        fdr=config["statistics"]["fdr"],
    message:
        "Write the page of findings"
    script:
        "../scripts/findings/report_findings.py"


rule report_measures:
    input:
        lambda wildcards: [table for _, table in measured_tables()],
    output:
        report(
            "<results>/measures.html",
            caption="../report/measures.rst",
            category="Findings",
            labels={"result": "What can be measured", "cell type": "all"},
        ),
    log:
        "<logs>/report_measures.log",
    conda:
        "../../envs/cells.yaml"
    params:
        measures=lambda wildcards: in_place(measured_tables()),
        cohort=cohort.name,
        min_icc=config["statistics"]["min_icc"],
    message:
        "Say what can be measured"
    script:
        "../scripts/findings/report_measures.py"


rule write_report:
    input:
        shown_files,
        figures=lambda wildcards: [figure[-1] for figure in drawn_figures()],
    output:
        "<results>/report.html",
    log:
        "<logs>/write_report.log",
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        study=lambda wildcards: shown_study(),
        figures=lambda wildcards: captioned(),
    message:
        "Write the page of the study"
    script:
        "../scripts/report/write_report.py"
