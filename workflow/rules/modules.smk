# Groups of genes that hang together in the mean network of the cohort, and their tests.
# Apart from gather_networks, so that a gene set that is added changes names alone.
rule name_modules:
    input:
        genes="<results>/{cell_type}/networks/{network}/module_genes.h5ad",
        gene_sets="<chosen>/study/gene_sets.json",
    output:
        "<results>/{cell_type}/networks/{network}/modules.tsv",
    log:
        "<logs>/{cell_type}/name_modules/{network}.log",
    conda:
        "../../envs/statistics.yaml"
    message:
        "Name the modules of {wildcards.cell_type} ({wildcards.network}) by their genes"
    script:
        "../scripts/networks/name_modules.py"


rule associate_modules:
    input:
        modules="<results>/{cell_type}/networks/{network}/modules.h5ad",
        names="<results>/{cell_type}/networks/{network}/modules.tsv",
        bins="<results>/{cell_type}/networks/{network}/bins.h5ad",
        measures=measures,
        composition=composition,
        design="<results>/{cell_type}/associations/{phenotype}/{network}/design.npz",
    output:
        table="<results>/{cell_type}/associations/{phenotype}/{network}/modules.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/{network}/modules.null.tsv",
    log:
        "<logs>/{cell_type}/associate_modules/{network}/{phenotype}.log",
    benchmark:
        "<benchmarks>/{cell_type}/associate_modules/{network}/{phenotype}.tsv"
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        statistics=config["statistics"],
        seed=config["seed"],
    message:
        "Associate the modules of {wildcards.cell_type} with {wildcards.phenotype}"
    script:
        "../scripts/associations/associate_modules.py"


# Of groups of donors, by their design, and of the other cell types.
rule preserve_modules:
    input:
        genes="<results>/{cell_type}/networks/{network}/module_genes.h5ad",
        modules="<results>/{cell_type}/networks/{network}/modules.h5ad",
        names="<results>/{cell_type}/networks/{network}/modules.tsv",
        designs=lambda wildcards: [
            f"<results>/{wildcards.cell_type}/associations/{name}/{wildcards.network}/design.npz"
            for name in binary_phenotypes()
        ],
        others=lambda wildcards: [
            f"<results>/{other}/networks/{wildcards.network}/module_genes.h5ad"
            for other in cell_types()
            if other != wildcards.cell_type
        ],
    output:
        "<results>/{cell_type}/networks/{network}/module_preservation.tsv",
    log:
        "<logs>/{cell_type}/preserve_modules/{network}.log",
    conda:
        "../../envs/statistics.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
    params:
        phenotypes=lambda wildcards: [phenotypes[name].name for name in binary_phenotypes()],
        cell_types=lambda wildcards: [
            cell_type_name(other) for other in cell_types() if other != wildcards.cell_type
        ],
        permutations=config["statistics"]["permutations"],
        seed=config["seed"],
    message:
        "Ask where else the modules of {wildcards.cell_type} ({wildcards.network}) are"
    script:
        "../scripts/networks/preserve_modules.py"


rule find_genes_in_groups:
    input:
        genes="<results>/{cell_type}/associations/{phenotype}/{network}/centrality.tsv",
        sets="<results>/{cell_type}/associations/{phenotype}/{network}/gene_sets.tsv",
        gene_sets="<chosen>/study/gene_sets.json",
        modules=lambda wildcards: of_modules(
            "<results>/{cell_type}/associations/{phenotype}/{network}/modules.tsv", wildcards
        ),
        module_genes=lambda wildcards: of_modules(
            "<results>/{cell_type}/networks/{network}/modules.tsv", wildcards
        ),
    output:
        table="<results>/{cell_type}/associations/{phenotype}/{network}/genes_in_groups.tsv",
        null="<results>/{cell_type}/associations/{phenotype}/{network}/genes_in_groups.null.tsv",
    log:
        "<logs>/{cell_type}/find_genes_in_groups/{network}/{phenotype}.log",
    conda:
        "../../envs/statistics.yaml"
    params:
        statistics=config["statistics"],
    message:
        "Find the genes of called sets and modules in {wildcards.cell_type} for {wildcards.phenotype}"
    script:
        "../scripts/associations/find_genes_in_groups.py"
