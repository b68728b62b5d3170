# siVAE beside other methods, for `snakemake comparisons` alone: a study does not depend on it.
rule sample_cells:
    input:
        cells="<results>/binned_cells.parquet",
    output:
        "<results>/comparisons/cells.h5ad",
    log:
        "<logs>/comparisons/sample_cells.log",
    benchmark:
        "<benchmarks>/comparisons/sample_cells.tsv"
    conda:
        "../../envs/cells.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        n_cells=config["comparisons"]["cells"],
        n_genes=config["comparisons"]["genes"],
        counts=cohort.cells.counts,
        gene_symbols=cohort.cells.gene_symbols,
        gene_prefix=cohort.cells.gene_prefix,
        seed=config["seed"],
    message:
        "Draw {params.n_cells} cells to compare methods on"
    script:
        "../scripts/comparisons/sample_cells.py"
