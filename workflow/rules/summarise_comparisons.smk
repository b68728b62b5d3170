# One table and one page of all comparisons.
from itertools import product

COMPARISON_TABLES = ["embeddings", "gammas", "mixing", "images", "chromatin", "interpretations"]
COMPARISON_TABLES += ["times", "gene_embedding", "marker_types", "hubs", "neighbours"]
COMPARISON_STATES = ["embeddings_methods", "gammas_status", "mixing_status", "images_status"]
COMPARISON_STATES += ["interpretations_methods", "gene_embedding_methods", "markers_methods"]
COMPARISON_STATES += ["networks_methods", "times_methods"]


rule summarise_comparisons:
    input:
        tables=expand(
            "<results>/comparisons/{table}.tsv", table=COMPARISON_TABLES + COMPARISON_STATES
        ),
        states=lambda wildcards: expand(
            "<results>/{cell_type}/comparisons/methods.tsv", cell_type=cell_types()
        ),
        agreement=lambda wildcards: expand(
            "<results>/{cell_type}/comparisons/agreement.tsv", cell_type=cell_types()
        ),
        hits=lambda wildcards: expand(
            "<results>/{cell_type}/comparisons/{phenotype}/hits.tsv",
            cell_type=cell_types(),
            phenotype=phenotypes,
        ),
    output:
        table="<results>/comparisons/methods.tsv",
        page=report(
            "<results>/comparisons.html",
            caption="../report/comparisons.rst",
            category="Comparisons",
            labels={"result": "All comparisons in one page", "cell type": "all"},
        ),
    log:
        "<logs>/comparisons/summarise_comparisons.log",
    conda:
        "../../envs/comparisons.yaml"
    params:
        cell_types=lambda wildcards, input: [
            [cell_type_name(name), *files]
            for name, *files in zip(cell_types(), input.states, input.agreement)
        ],
        hits=lambda wildcards, input: [
            [cell_type_name(cell_type), phenotype.name, path]
            for (cell_type, phenotype), path in zip(
                product(cell_types(), phenotypes.values()), input.hits
            )
        ],
        cohort=cohort.name,
        caption=caption,
    message:
        "Summarise the comparisons"
    script:
        "../scripts/findings/summarise_comparisons.py"
