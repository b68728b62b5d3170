# Genes in the space of the loadings: of a simulated network, and markers of cell types.
rule embed_simulated_genes:
    output:
        found="<results>/comparisons/gene_embedding.tsv",
        points="<results>/comparisons/gene_embedding_points.tsv",
        methods="<results>/comparisons/gene_embedding_methods.tsv",
    log:
        "<logs>/comparisons/embed_simulated_genes.log",
    benchmark:
        "<benchmarks>/comparisons/embed_simulated_genes.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        methods=config["comparisons"]["embeddings"],
        sivae=SIVAE,
        plan=presets.training_plan(config),
        seed=config["seed"],
    message:
        "Embed the genes of a simulated network"
    script:
        "../scripts/comparisons/embed_simulated_genes.py"


rule embed_marker_genes:
    input:
        cells="<results>/comparisons/cells.h5ad",
        markers=config["comparisons"]["markers"] or [],
    output:
        markers="<results>/comparisons/markers.tsv",
        found="<results>/comparisons/marker_types.tsv",
        points="<results>/comparisons/marker_points.tsv",
        methods="<results>/comparisons/markers_methods.tsv",
    log:
        "<logs>/comparisons/embed_marker_genes.log",
    benchmark:
        "<benchmarks>/comparisons/embed_marker_genes.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        methods=config["comparisons"]["embeddings"],
        sivae=SIVAE,
        plan=presets.training_plan(config),
        seed=config["seed"],
    message:
        "Embed marker genes of cell types"
    script:
        "../scripts/comparisons/embed_marker_genes.py"


rule draw_gene_embedding:
    input:
        communities=expand(
            "<results>/comparisons/{table}.tsv",
            table=["gene_embedding_points", "gene_embedding"],
        ),
        markers=expand("<results>/comparisons/{table}.tsv", table=["marker_points", "marker_types"]),
    output:
        **figures(
            "<results>/figures/comparisons",
            "gene_communities",
            "marker_genes",
            category="Comparisons",
        ),
    log:
        "<logs>/comparisons/draw_gene_embedding.log",
    conda:
        "../../envs/figures.yaml"
    params:
        caption=caption,
    message:
        "Draw genes in the space of the loadings"
    script:
        "../scripts/figures/draw_gene_embedding.py"
