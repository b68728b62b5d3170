# How the counts of each cell are thinned, so that all samples have the same depth. A target that stands is
# kept when samples are added, as what is chosen below.
rule match_depth:
    input:
        cells="<results>/binned_cells.parquet",
        discovery=of_discovery("depth_target.json"),
    output:
        cells="<results>/{cell_type}/matched_cells.parquet",
        samples="<results>/{cell_type}/depth.tsv",
        target=update("<results>/{cell_type}/depth_target.json"),
    log:
        "<logs>/{cell_type}/match_depth.log",
    benchmark:
        "<benchmarks>/{cell_type}/match_depth.tsv"
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        counts=cohort.cells.counts,
        gene_symbols=cohort.cells.gene_symbols,
        gene_prefix=cohort.cells.gene_prefix,
        seed=config["seed"],
    message:
        "Match the depth of the samples of {wildcards.cell_type}"
    script:
        "../scripts/cells/match_depth.py"


# What was chosen is kept when samples are added, or every model would be trained again.
rule select_genes:
    input:
        cells=COUNTED,
    output:
        genes=update("<results>/{cell_type}/genes.tsv"),
        basis=update("<results>/{cell_type}/genes_chosen_from.json"),
    log:
        "<logs>/{cell_type}/select_genes.log",
    benchmark:
        "<benchmarks>/{cell_type}/select_genes.tsv"
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        genes=config["genes"],
        counts=cohort.cells.counts,
        gene_symbols=cohort.cells.gene_symbols,
        gene_prefix=cohort.cells.gene_prefix,
    message:
        "Select the genes of {wildcards.cell_type}"
    script:
        "../scripts/cells/select_genes.py"


rule prepare_expression:
    input:
        cells=COUNTED,
        genes="<chosen>/{cell_type}/genes.tsv",
    output:
        expression="<results>/{cell_type}/expression.h5ad",
        summary="<results>/{cell_type}/expression_summary.h5ad",
    log:
        "<logs>/{cell_type}/prepare_expression.log",
    benchmark:
        "<benchmarks>/{cell_type}/prepare_expression.tsv"
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        regress=config["genes"]["regress"],
        keep_counts=presets.needs_counts(config),
        counts=cohort.cells.counts,
        gene_symbols=cohort.cells.gene_symbols,
        gene_prefix=cohort.cells.gene_prefix,
        seed=config["seed"],
    message:
        "Normalise and scale the expression of {wildcards.cell_type}"
    script:
        "../scripts/cells/prepare_expression.py"
