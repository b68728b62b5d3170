# What of the tests of networks is drawn: of the headline, as in figures.smk.
rule draw_associations:
    input:
        plan="<results>/bins.tsv",
        measures=measures,
        coordinates=of_each(CANDIDATES, "<results>/{cell_type}/map/<network>/coordinates.tsv"),
        map_tests=of_each(CANDIDATES, "<results>/{cell_type}/map/<network>/tests.tsv"),
        map_reliability=of_each(CANDIDATES, "<results>/{cell_type}/map/<network>/reliability.tsv"),
        centrality=of_each(
            CANDIDATES, "<results>/{cell_type}/associations/{phenotype}/<network>/centrality.tsv"
        ),
        gene_sets=of_each(
            CANDIDATES, "<results>/{cell_type}/associations/{phenotype}/<network>/gene_sets.tsv"
        ),
        expression=["<results>/{cell_type}/associations/{phenotype}/expression.tsv"]
        * ("expression" in controls()),
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        **figures(
            "<results>/figures/{cell_type}/{phenotype}",
            *["map", "centrality", "volcano", "quadrants", "qq", "gene_sets"],
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
        networks=CANDIDATES,
        fdr=config["statistics"]["fdr"],
        caption=headline_caption(CANDIDATES),
    message:
        "Draw what is associated with {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_associations.py"


# Where the headline has values of genes instead of edges, that among the other networks.
rule draw_edges:
    input:
        **{
            name: of_each(
                OF_EDGES, f"<results>/{{cell_type}}/associations/{{phenotype}}/<network>/{file}"
            )
            for name, file in {
                "centrality": "centrality.tsv",
                "gene_sets": "gene_sets.tsv",
                "edge_tests": "edges.tsv",
                "connectivity": "connectivity.tsv",
                "sample_connectivity": "sample_connectivity.tsv",
                "consensus": "consensus.tsv",
                "consensus_edges": "consensus_edges.parquet",
            }.items()
        },
        plan="<results>/bins.tsv",
        measures=measures,
        edges=of_each(OF_EDGES, "<results>/{cell_type}/networks/<network>/edges.parquet"),
        phenotype="<results>/study/phenotypes/{phenotype}.tsv",
    output:
        **figures(
            "<results>/figures/{cell_type}/{phenotype}",
            *["circos", "sets", "connectivity"],
            category=phenotype_category,
        ),
    log:
        "<logs>/{cell_type}/draw_edges/{phenotype}.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        networks=OF_EDGES,
        fdr=config["statistics"]["fdr"],
        caption=headline_caption(OF_EDGES),
    message:
        "Draw edges against {wildcards.phenotype} in {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_edges.py"


rule draw_modules:
    input:
        plan="<results>/bins.tsv",
        measures=measures,
        tables=lambda wildcards: [
            f"<results>/{wildcards.cell_type}/associations/{name}/{network}/modules.tsv"
            for network in WITH_MODULES
            for name in phenotypes
        ],
    output:
        **figures("<results>/figures/{cell_type}", "modules", category="Networks"),
    log:
        "<logs>/{cell_type}/draw_modules.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotypes=lambda wildcards: [phenotype.name for phenotype in phenotypes.values()],
        networks=WITH_MODULES,
        fdr=config["statistics"]["fdr"],
        caption=headline_caption(WITH_MODULES),
    message:
        "Draw the modules of {wildcards.cell_type} against all phenotypes"
    script:
        "../scripts/figures/draw_modules.py"
