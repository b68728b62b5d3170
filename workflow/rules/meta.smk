# Finished studies combined, for `snakemake meta` alone: nothing of a study depends on it. Their files
# are no inputs, since one of them may be of this cohort, and would be made anew with other settings.
rule combine_studies:
    output:
        f"{META}/{{cell_type}}/{{phenotype}}.tsv",
    log:
        "<logs>/meta/{cell_type}/{phenotype}.log",
    conda:
        "../../envs/statistics.yaml"
    params:
        tests=lambda wildcards: combined_tests(wildcards),
        made=lambda wildcards: last_changes(combined_tests(wildcards)),
    message:
        "Combine the studies of {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/associations/combine_studies.py"


rule summarise_meta:
    input:
        meta_tables,
    output:
        f"{META}/meta.tsv",
    log:
        "<logs>/meta/summarise_meta.log",
    conda:
        "../../envs/statistics.yaml"
    params:
        names=lambda wildcards: [meta_names(*names) for names in combined()],
        fdr=config["statistics"]["fdr"],
    message:
        "Count what the studies have in common"
    script:
        "../scripts/findings/summarise_meta.py"


rule draw_meta:
    input:
        f"{META}/{{cell_type}}/{{phenotype}}.tsv",
    output:
        multiext(f"{META}/figures/{{cell_type}}/{{phenotype}}", ".png", ".pdf", ".svg", ".tsv"),
    log:
        "<logs>/meta/draw_meta/{cell_type}/{phenotype}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        names=lambda wildcards: meta_names(wildcards.cell_type, wildcards.phenotype),
    message:
        "Draw the studies of {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_meta.py"
