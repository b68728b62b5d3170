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
        fdr=config["statistics"]["fdr"],
    message:
        "Count what the studies have in common"
    script:
        "../scripts/findings/summarise_meta.py"
