rule summarise_findings:
    input:
        tables=lambda wildcards: [table[-1] for table in tested_tables()],
        excluded="<results>/excluded.tsv",
        code=library("findings.py"),
    output:
        table="<results>/findings.tsv",
        page=report(
            "<results>/findings.html",
            caption="../report/findings.rst",
            category="Findings",
            labels={"result": "All findings in one table", "cell type": "all"},
        ),
    log:
        "<logs>/summarise_findings.log",
    conda:
        "../../envs/cells.yaml"
    params:
        tables=lambda wildcards, input: [
            [*table[:-1], path] for table, path in zip(tested_tables(), input.tables)
        ],
        cohort=cohort.name,
        preset=config["preset"],
        fdr=config["statistics"]["fdr"],
    message:
        "Summarise what was found"
    script:
        "../scripts/summarise_findings.py"
