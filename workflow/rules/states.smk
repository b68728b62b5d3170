# States of the cells of a cell type, in the space of the cohort's model, and their shares by sample.
rule find_states:
    input:
        donors="<results>/study/donors.tsv",
        expression="<results>/{cell_type}/expression.h5ad",
        model="<results>/{cell_type}/shared/all/fit.json",
        basis="<results>/{cell_type}/shared/all/basis.json",
    output:
        states="<results>/{cell_type}/states.tsv",
        composition="<results>/{cell_type}/composition.tsv",
    log:
        "<logs>/{cell_type}/find_states.log",
    benchmark:
        "<benchmarks>/{cell_type}/find_states.tsv"
    conda:
        training_environment()
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        seed=config["seed"],
    message:
        "Find the cell states of {wildcards.cell_type}"
    script:
        "../scripts/networks/find_states.py"


rule associate_composition:
    input:
        composition=composition,
        design="<results>/{cell_type}/associations/{phenotype}/expression/design.npz",
    output:
        table="<results>/{cell_type}/associations/{phenotype}/composition.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/composition.null.tsv",
    log:
        "<logs>/{cell_type}/associate_composition/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_composition/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate the composition of {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_composition.py"
