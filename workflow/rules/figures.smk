rule draw_quality:
    input:
        plan="<results>/bins.tsv",
        excluded="<results>/unbinned.tsv",
        bins="<results>/{cell_type}/networks/bins.h5ad",
        trained=trained_jobs,
        losses="<results>/{cell_type}/training/losses.parquet",
        reliability="<results>/{cell_type}/networks/reliability.tsv",
        variance="<results>/{cell_type}/networks/variance.tsv",
    output:
        **figures(
            "<results>/figures/{cell_type}",
            *["cells", "depth", "reliability"],
            category="Quality",
        ),
        **figures("<results>/figures/{cell_type}", "losses", "training", category="Training"),
    log:
        "<logs>/{cell_type}/draw_quality.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        caption=caption,
        latent=config["sivae"]["latent"],
        min_icc=config["statistics"]["min_icc"],
    message:
        "Draw the quality of {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_quality.py"


rule draw_networks:
    input:
        plan="<results>/bins.tsv",
        bins="<results>/{cell_type}/networks/bins.h5ad",
        kernel="<results>/{cell_type}/map/kernel.tsv",
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
        plan="<results>/bins.tsv",
        coordinates="<results>/{cell_type}/map/coordinates.tsv",
        map_tests="<results>/{cell_type}/map/tests.tsv",
        centrality="<results>/{cell_type}/associations/{phenotype}/centrality.tsv",
        gene_sets="<results>/{cell_type}/associations/{phenotype}/gene_sets.tsv",
        edge_tests="<results>/{cell_type}/associations/{phenotype}/edges.tsv",
        connectivity="<results>/{cell_type}/associations/{phenotype}/connectivity.tsv",
        sample_connectivity="<results>/{cell_type}/associations/{phenotype}/sample_connectivity.tsv",
        consensus="<results>/{cell_type}/associations/{phenotype}/consensus.tsv",
        consensus_edges="<results>/{cell_type}/associations/{phenotype}/consensus_edges.parquet",
        edges="<results>/{cell_type}/networks/edges.parquet",
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        **figures(
            "<results>/figures/{cell_type}/{phenotype}",
            *["map", "centrality", "gene_sets", "circos", "sets", "connectivity"],
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
