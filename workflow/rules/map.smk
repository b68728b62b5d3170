rule map_networks:
    input:
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        edges=lambda wildcards: edges_of(wildcards, "bin_edges.parquet"),
        samples="<results>/study/donors.tsv",
    output:
        kernel="<results>/{cell_type}/map/{network}/kernel.tsv",
        coordinates="<results>/{cell_type}/map/{network}/coordinates.tsv",
        exact_similarity="<results>/{cell_type}/map/{network}/similarity.h5ad",
        exact_coordinates="<results>/{cell_type}/map/{network}/coordinates.parquet",
        reliability="<results>/{cell_type}/map/{network}/reliability.tsv",
        variance="<results>/{cell_type}/networks/{network}/variance.tsv",
    log:
        "<logs>/{cell_type}/map_networks/{network}.log",
    benchmark:
        "<benchmarks>/{cell_type}/map_networks/{network}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Compare the samples' networks of {wildcards.cell_type}"
    script:
        "../scripts/networks/map_networks.py"


rule associate_map:
    input:
        similarity="<results>/{cell_type}/map/{network}/similarity.h5ad",
        coordinates="<results>/{cell_type}/map/{network}/coordinates.parquet",
        measures=measures,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        table="<results>/{cell_type}/associations/{phenotype}/{network}/map.tsv",
        axes_null="<results>/{cell_type}/associations/{phenotype}/{network}/axes.null.tsv",
        map_null="<results>/{cell_type}/associations/{phenotype}/{network}/map.null.tsv",
    log:
        "<logs>/{cell_type}/associate_map/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_map/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotype=phenotype_params,
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate the map of {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_map.py"


rule gather_map_tests:
    input:
        measures=measures,
        tables=lambda wildcards: [
            f"<results>/{wildcards.cell_type}/associations/{phenotype}/{wildcards.network}/map.tsv"
            for phenotype in phenotypes
        ],
    output:
        "<results>/{cell_type}/map/{network}/tests.tsv",
    log:
        "<logs>/{cell_type}/gather_map_tests/{network}.log",
    conda:
        "../../envs/statistics.yaml"
    message:
        "Gather the tests of the map of {wildcards.cell_type}"
    script:
        "../scripts/associations/gather_map_tests.py"
