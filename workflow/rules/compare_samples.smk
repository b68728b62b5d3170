# The networks of every sample by other methods, beside siVAE's.
rule infer_sample_networks:
    input:
        plan="<results>/bins.tsv",
        cells=COUNTED,
        expression="<results>/{cell_type}/expression.h5ad",
        bins=f"<results>/{{cell_type}}/networks/{COMPARED}/bins.h5ad",
    output:
        centrality="<results>/{cell_type}/comparisons/networks/{job}.h5ad",
        edges="<results>/{cell_type}/comparisons/networks/{job}.parquet",
        methods="<results>/{cell_type}/comparisons/networks/{job}.tsv",
    log:
        "<logs>/{cell_type}/infer_sample_networks/{job}.log",
    benchmark:
        "<benchmarks>/{cell_type}/infer_sample_networks/{job}.tsv"
    conda:
        "../../envs/comparisons.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        bins=job_bins,
        methods=config["comparisons"]["sample_networks"],
        closest=config["networks"]["closest"],
        counts=cohort.cells.counts,
        gene_symbols=cohort.cells.gene_symbols,
        gene_prefix=cohort.cells.gene_prefix,
        sivae=SIVAE,
        plan=presets.training_plan(config),
        epochs=config["comparisons"]["epochs"],
        seed=config["seed"],
    message:
        "Infer the networks of {wildcards.cell_type} by other methods, job {wildcards.job}"
    script:
        "../scripts/comparisons/infer_sample_networks.py"


rule compare_samples:
    input:
        bins=f"<results>/{{cell_type}}/networks/{COMPARED}/bins.h5ad",
        bin_edges=f"<results>/{{cell_type}}/networks/{COMPARED}/bin_edges.parquet",
        inferred=inferred_jobs,
    output:
        agreement="<results>/{cell_type}/comparisons/agreement.tsv",
        centrality="<results>/{cell_type}/comparisons/centrality.h5ad",
        methods="<results>/{cell_type}/comparisons/methods.tsv",
    log:
        "<logs>/{cell_type}/compare_samples.log",
    benchmark:
        "<benchmarks>/{cell_type}/compare_samples.tsv"
    conda:
        "../../envs/comparisons.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        methods=config["comparisons"]["sample_networks"],
    message:
        "Compare the networks of {wildcards.cell_type} by other methods with siVAE's"
    script:
        "../scripts/comparisons/compare_samples.py"


rule compare_hits:
    input:
        centrality="<results>/{cell_type}/comparisons/centrality.h5ad",
        study=f"<results>/{{cell_type}}/associations/{{phenotype}}/{COMPARED}/centrality.tsv",
        design=f"<results>/{{cell_type}}/associations/{{phenotype}}/{COMPARED}/design.npz",
    output:
        "<results>/{cell_type}/comparisons/{phenotype}/hits.tsv",
    log:
        "<logs>/{cell_type}/compare_hits/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/compare_hits/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        preset=config["preset"],
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Find which methods associate the same genes of {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/comparisons/compare_hits.py"


rule draw_agreement:
    input:
        agreement="<results>/{cell_type}/comparisons/agreement.tsv",
    output:
        **figures("<results>/figures/comparisons/{cell_type}", "agreement", category="Comparisons"),
    log:
        "<logs>/{cell_type}/draw_agreement.log",
    conda:
        "../../envs/figures.yaml"
    params:
        caption=caption,
    message:
        "Draw how far other methods agree in {wildcards.cell_type}"
    script:
        "../scripts/figures/draw_agreement.py"


rule draw_hits:
    input:
        hits="<results>/{cell_type}/comparisons/{phenotype}/hits.tsv",
        study=f"<results>/{{cell_type}}/associations/{{phenotype}}/{COMPARED}/centrality.tsv",
    output:
        **figures(
            "<results>/figures/comparisons/{cell_type}/{phenotype}",
            "compared_hits",
            category="Comparisons",
        ),
    log:
        "<logs>/{cell_type}/draw_hits/{phenotype}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        caption=caption,
    message:
        "Draw which methods find which genes of {wildcards.cell_type} for {wildcards.phenotype}"
    script:
        "../scripts/figures/draw_hits.py"
