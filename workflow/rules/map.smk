rule map_networks:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        edges="<results>/{cell_type}/networks/bin_edges.parquet",
        samples="<results>/samples.tsv",
        code=library("kernels.py", "association.py", "reliability.py"),
    output:
        kernel="<results>/{cell_type}/map/kernel.tsv",
        coordinates="<results>/{cell_type}/map/coordinates.tsv",
        tests="<results>/{cell_type}/map/tests.tsv",
    log:
        "<logs>/{cell_type}/map_networks.log",
    benchmark:
        "<benchmarks>/{cell_type}/map_networks.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        phenotypes=[asdict(phenotype) for phenotype in cohort.phenotypes],
        preset=config["preset"],
    message:
        "Compare the samples' networks of {wildcards.cell_type}"
    script:
        "../scripts/map_networks.py"
