# What can be measured, before any phenotype is looked at; preset paper tests everything.
WITH_EDGES = [network for network in NETWORKS if network not in OWN_VALUES]
ESTIMATED = [network for network in NETWORKS if network not in OWN]


rule measure_reliability:
    input:
        **{
            name: [f"<results>/{{cell_type}}/networks/{one}/{file}" for one in networks]
            for name, networks, file in (
                ("bins", NETWORKS, "bins.h5ad"),
                ("reliability", NETWORKS, "reliability.tsv"),
                ("edges", WITH_EDGES, "bin_edges.parquet"),
                ("halves", ESTIMATED, "halves.h5ad"),
                ("half_edges", ESTIMATED, "half_edges.parquet"),
            )
        },
        summary=expression_summary,
        programmes=lambda wildcards: (
            [f"<results>/{wildcards.cell_type}/networks/shared/programmes.h5ad"]
            if "shared" in NETWORKS and "programmes" in analyses()
            else []
        ),
    output:
        "<results>/{cell_type}/networks/measures.tsv",
    log:
        "<logs>/{cell_type}/measure_reliability.log",
    benchmark:
        "<benchmarks>/{cell_type}/measure_reliability.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        networks=NETWORKS,
        with_edges=WITH_EDGES,
        estimated=ESTIMATED,
        # Mean expression and programmes have no name.
        adjust={
            network: ["depth"] * ("depth" in adjusts_for(network)) + ["batch"]
            for network in ["", *NETWORKS]
        },
        preset=config["preset"],
        min_icc=config["statistics"]["min_icc"],
        seed=config["seed"],
    message:
        "Measure what is reproducible in {wildcards.cell_type}"
    script:
        "../scripts/networks/measure_reliability.py"
