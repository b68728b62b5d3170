# What is found becomes hypotheses, under a seal, and a second cohort tests these alone.
rule write_hypotheses:
    input:
        tables=lambda wildcards: replicated_tables("<results>"),
        measures=lambda wildcards: [table for _, table in measured_tables()],
        frozen=lambda wildcards: frozen_files(),
        gene_sets="<results>/study/gene_sets.json",
    output:
        table="<results>/hypotheses.tsv",
        seal="<results>/hypotheses.json",
    log:
        "<logs>/write_hypotheses.log",
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        asked=lambda wildcards: replicated(),
        measures=lambda wildcards: in_place(measured_tables()),
        frozen=lambda wildcards: in_place(frozen()),
        networks=NETWORKS,
        settings=hypotheses_settings(),
    message:
        "Write down what is to be replicated"
    script:
        "../scripts/associations/write_hypotheses.py"


# With what the second cohort, a module, makes in replication/.
rule replicate:
    input:
        table="<results>/hypotheses.tsv",
        seal="<results>/hypotheses.json",
        frozen=lambda wildcards: frozen_files(),
        gene_sets="<results>/study/gene_sets.json",
        second=lambda wildcards: replicated_tables("<results>/replication"),
        summaries=lambda wildcards: [
            f"<results>/replication/{cell_type}/expression_summary.h5ad"
            for cell_type in cell_types()
        ],
    output:
        table="<results>/replication.tsv",
        rates="<results>/replication_rates.tsv",
        genes="<results>/replication_genes.tsv",
    log:
        "<logs>/replicate.log",
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        asked=lambda wildcards: replicated(),
        frozen=lambda wildcards: in_place(frozen()),
        cell_types=lambda wildcards: [cell_type_name(one) for one in cell_types()],
        settings=hypotheses_settings(),
    message:
        "Test the hypotheses in the second cohort"
    script:
        "../scripts/associations/replicate.py"


rule draw_replication:
    input:
        plan="<results>/bins.tsv",
        table="<results>/replication.tsv",
    output:
        **figures(
            "<results>/figures/{cell_type}/{phenotype}",
            "replication",
            category=phenotype_category,
        ),
    log:
        "<logs>/{cell_type}/draw_replication/{phenotype}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        caption=caption,
    message:
        "Draw the effects in both cohorts in {wildcards.cell_type} for {wildcards.phenotype}"
    script:
        "../scripts/figures/draw_replication.py"
