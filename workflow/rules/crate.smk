# What was run on what, for archives and for those who pass the study on.
rule write_crate:
    input:
        page="<results>/report.html",
        record="<results>/cohort.json",
        made=shown_files,
    output:
        "<results>/ro-crate-metadata.json",
        "<results>/Snakefile",
    log:
        "<logs>/write_crate.log",
    conda:
        "../../envs/crate.yaml"
    params:
        inputs=lambda wildcards: named_files(),
        description=lambda wildcards: cohort.description,
        hide_donors=config["report"]["donors"] == "hide",
    message:
        "Describe the study as an RO-Crate"
    script:
        "../scripts/report/write_crate.py"
