# Networks of two groups of samples side by side, for the page. Which one is the headline is known
# only at run time, so those of all networks are read.
rule view_networks:
    input:
        bins=[f"<results>/{{cell_type}}/networks/{one}/bins.h5ad" for one in OF_EDGES],
        edges=[
            f"<results>/{{cell_type}}/networks/{one}/{presets.edges(config['preset'])}"
            for one in OF_EDGES
        ],
        modules=[f"<results>/{{cell_type}}/networks/{one}/modules.tsv" for one in WITH_MODULES],
        designs=[
            f"<results>/{{cell_type}}/associations/{{phenotype}}/{one}/design.npz"
            for one in OF_EDGES
        ],
        centrality=[
            f"<results>/{{cell_type}}/associations/{{phenotype}}/{one}/centrality.tsv"
            for one in OF_EDGES
        ],
        tests=[
            f"<results>/{{cell_type}}/associations/{{phenotype}}/{one}/edges.tsv"
            for one in OF_EDGES
        ],
        programmes=(
            [
                "<results>/{cell_type}/networks/shared/programmes.h5ad",
                "<results>/{cell_type}/networks/shared/programmes.tsv",
                "<results>/{cell_type}/associations/{phenotype}/shared/programmes.tsv",
                "<results>/{cell_type}/associations/{phenotype}/shared/design.npz",
            ]
            if "programmes" in analyses()
            else []
        ),
        measures=lambda wildcards: measures(SimpleNamespace(cell_type=wildcards.cell_type)),
        gene_sets="<chosen>/study/gene_sets.json",
    output:
        "<results>/{cell_type}/associations/{phenotype}/network_view.json",
    log:
        "<logs>/{cell_type}/view_networks/{phenotype}.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        cell_type=lambda wildcards: cell_type_name(wildcards.cell_type),
        phenotype=phenotype_params,
        networks=NETWORKS,
        edged=OF_EDGES,
        with_modules=WITH_MODULES,
        fdr=config["statistics"]["fdr"],
        preset=config["preset"],
    message:
        "Put the networks of {wildcards.cell_type} side by side by {wildcards.phenotype}"
    script:
        "../scripts/report/view_networks.py"
