# What can be measured, before any phenotype is looked at; preset paper tests everything, and so are
# networks of the user's own.
MEASURED = [network for network in NETWORKS if network not in OWN]


rule measure_reliability:
    input:
        **{
            name: [f"<results>/{{cell_type}}/networks/{one}/{file}" for one in MEASURED]
            for name, file in {
                "bins": "bins.h5ad",
                "edges": "bin_edges.parquet",
                "reliability": "reliability.tsv",
                "halves": "halves.h5ad",
                "half_edges": "half_edges.parquet",
            }.items()
        },
        summary="<results>/{cell_type}/expression_summary.h5ad",
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
        networks=MEASURED,
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Measure what is reproducible in {wildcards.cell_type}"
    script:
        "../scripts/networks/measure_reliability.py"
