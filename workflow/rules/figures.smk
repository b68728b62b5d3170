# What figures show of the edges of the headline network.
EDGE_TABLES = {
    "edge_tests": f"<results>/{{cell_type}}/associations/{{phenotype}}/{HEADLINE}/edges.tsv",
    "connectivity": f"<results>/{{cell_type}}/associations/{{phenotype}}/{HEADLINE}/connectivity.tsv",
    "sample_connectivity": f"<results>/{{cell_type}}/associations/{{phenotype}}/{HEADLINE}/sample_connectivity.tsv",
    "consensus": f"<results>/{{cell_type}}/associations/{{phenotype}}/{HEADLINE}/consensus.tsv",
    "consensus_edges": f"<results>/{{cell_type}}/associations/{{phenotype}}/{HEADLINE}/consensus_edges.parquet",
    "edges": f"<results>/{{cell_type}}/networks/{HEADLINE}/edges.parquet",
}


rule draw_quality:
    input:
        plan="<results>/bins.tsv",
        excluded="<results>/unbinned.tsv",
        bins=f"<results>/{{cell_type}}/networks/{HEADLINE}/bins.h5ad",
        reliability=f"<results>/{{cell_type}}/networks/{HEADLINE}/reliability.tsv",
        variance=f"<results>/{{cell_type}}/networks/{HEADLINE}/variance.tsv",
        depths="<results>/{cell_type}/depth.tsv" if presets.matches_depth(config) else [],
    output:
        **figures(
            "<results>/figures/{cell_type}",
            *(["cells", "depth"] if cohort.has_cells else []),
            "reliability",
            category="Quality",
        ),
    log:
        "<logs>/{cell_type}/draw_quality.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        caption=caption,
        min_icc=config["statistics"]["min_icc"],
    message:
        "Draw the quality of {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_quality.py"


rule draw_training:
    input:
        plan="<results>/bins.tsv",
        trained=trained_jobs,
        losses="<results>/{cell_type}/training/losses.parquet",
    output:
        **figures("<results>/figures/{cell_type}", "losses", "training", category="Training"),
    log:
        "<logs>/{cell_type}/draw_training.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        caption=caption,
        latent=SIVAE["latent"],
    message:
        "Draw the training of {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_training.py"


rule draw_networks:
    input:
        plan="<results>/bins.tsv",
        bins=f"<results>/{{cell_type}}/networks/{HEADLINE}/bins.h5ad",
        kernel=f"<results>/{{cell_type}}/map/{HEADLINE}/kernel.tsv",
    output:
        **figures("<results>/figures/{cell_type}", "hubs", "kernel", category="Networks"),
    log:
        "<logs>/{cell_type}/draw_networks.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        caption=caption,
    message:
        "Draw hubs and similarities of {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_networks.py"


rule draw_associations:
    input:
        **(EDGE_TABLES if SHOWS_EDGES else {}),
        plan="<results>/bins.tsv",
        coordinates=f"<results>/{{cell_type}}/map/{HEADLINE}/coordinates.tsv",
        map_tests=f"<results>/{{cell_type}}/map/{HEADLINE}/tests.tsv",
        centrality=f"<results>/{{cell_type}}/associations/{{phenotype}}/{HEADLINE}/centrality.tsv",
        gene_sets=f"<results>/{{cell_type}}/associations/{{phenotype}}/{HEADLINE}/gene_sets.tsv",
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        **figures(
            "<results>/figures/{cell_type}/{phenotype}",
            *["map", "centrality", "gene_sets"],
            *(["circos", "sets", "connectivity"] if SHOWS_EDGES else []),
            category=phenotype_category,
        ),
    log:
        "<logs>/{cell_type}/draw_associations/{phenotype}.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        fdr=config["statistics"]["fdr"],
        caption=caption,
    message:
        "Draw what is associated with {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_associations.py"


rule draw_variants:
    input:
        plan="<results>/bins.tsv",
        single="<results>/variants/{phenotype}/single.tsv",
        burden="<results>/variants/{phenotype}/burden.tsv",
    output:
        **figures(
            "<results>/figures/variants/{phenotype}",
            "burden",
            "single",
            category=phenotype_category,
        ),
    log:
        "<logs>/variants/draw_variants/{phenotype}.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        fdr=config["statistics"]["fdr"],
        caption=caption,
    message:
        "Draw variants against {wildcards.phenotype}"
    script:
        "../scripts/figures/draw_variants.py"
