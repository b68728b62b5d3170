# What of the cells, models and networks is drawn. Of networks, all figures show the headline: they
# take the files of all that may be it, and the scripts those of the one that measures.tsv names.
rule draw_quality:
    input:
        plan="<results>/bins.tsv",
        excluded="<results>/unbinned.tsv",
        measures=measures,
        bins=of_each(CANDIDATES, "<results>/{cell_type}/networks/<network>/bins.h5ad"),
        reliability=of_each(CANDIDATES, "<results>/{cell_type}/networks/<network>/reliability.tsv"),
        variance=of_each(CANDIDATES, "<results>/{cell_type}/networks/<network>/variance.tsv"),
        phenotypes=[f"<results>/study/phenotypes/{name}.tsv" for name in phenotypes],
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
        caption=headline_caption(CANDIDATES),
        networks=CANDIDATES,
        phenotypes=phenotype_definitions(),
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
        measures=measures,
        bins=of_each(CANDIDATES, "<results>/{cell_type}/networks/<network>/bins.h5ad"),
        similarity=of_each(CANDIDATES, "<results>/{cell_type}/map/<network>/similarity.h5ad"),
        reliability=of_each(CANDIDATES, "<results>/{cell_type}/map/<network>/reliability.tsv"),
        phenotypes=[f"<results>/study/phenotypes/{name}.tsv" for name in phenotypes],
    output:
        **figures("<results>/figures/{cell_type}", "hubs", "kernel", category="Networks"),
    log:
        "<logs>/{cell_type}/draw_networks.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        caption=headline_caption(CANDIDATES),
        networks=CANDIDATES,
        phenotypes=phenotype_definitions(),
    message:
        "Draw hubs and similarities of {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_networks.py"


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
