rule map_networks:
    input:
        bins="<results>/{cell_type}/networks/bins.h5ad",
        edges="<results>/{cell_type}/networks/bin_edges.parquet",
        samples="<results>/samples.tsv",
        code=library(
            *["kernels.py", "association.py", "design.py", "permutation.py", "map_tests.py"],
            "reliability.py",
        ),
    output:
        kernel="<results>/{cell_type}/map/kernel.tsv",
        coordinates="<results>/{cell_type}/map/coordinates.tsv",
        tests="<results>/{cell_type}/map/tests.tsv",
        reliability="<results>/{cell_type}/map/reliability.tsv",
        variance="<results>/{cell_type}/networks/variance.tsv",
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
        covariates=covariate_params(),
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Compare the samples' networks of {wildcards.cell_type}"
    script:
        "../scripts/map_networks.py"
