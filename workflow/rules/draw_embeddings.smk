# The comparison of methods of dimension reduction, gathered and drawn.
rule gather_embeddings:
    input:
        **{
            part: expand(
                f"<results>/comparisons/embeddings/{{method}}{end}.tsv",
                method=config["comparisons"]["embeddings"],
            )
            for part, end in (("accuracy", ""), ("types", "_types"), ("scores", "_scores"))
        },
        status=expand(
            "<results>/comparisons/embeddings/{method}_status.tsv",
            method=config["comparisons"]["embeddings"],
        ),
    output:
        accuracy="<results>/comparisons/embeddings.tsv",
        types="<results>/comparisons/embeddings_by_type.tsv",
        scores="<results>/comparisons/embeddings_scores.tsv",
        status="<results>/comparisons/embeddings_methods.tsv",
    log:
        "<logs>/comparisons/gather_embeddings.log",
    conda:
        "../../envs/comparisons.yaml"
    message:
        "Gather how all methods embed cells"
    script:
        "../scripts/comparisons/gather_embeddings.py"


rule draw_embeddings:
    input:
        cells="<results>/comparisons/cells.h5ad",
        accuracy="<results>/comparisons/embeddings.tsv",
        types="<results>/comparisons/embeddings_by_type.tsv",
        scores="<results>/comparisons/embeddings_scores.tsv",
        status="<results>/comparisons/embeddings_methods.tsv",
        gammas="<results>/comparisons/gammas.tsv",
        mixing="<results>/comparisons/mixing.tsv",
        maps="<results>/comparisons/mixing_maps.tsv",
        images="<results>/comparisons/images.tsv",
        chromatin="<results>/comparisons/chromatin.tsv",
        points="<results>/comparisons/chromatin_points.tsv",
    output:
        **figures(
            "<results>/figures/comparisons",
            "embeddings",
            "embedding_types",
            "embedding_maps",
            "gammas",
            "batches",
            "other_data",
            category="Comparisons",
        ),
    log:
        "<logs>/comparisons/draw_embeddings.log",
    conda:
        "../../envs/comparisons.yaml"
    params:
        methods=config["comparisons"]["embeddings"],
        caption=caption,
    message:
        "Draw how methods embed cells"
    script:
        "../scripts/figures/draw_embeddings.py"
