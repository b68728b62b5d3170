"""Draw what goes with a phenotype: the panels b to f of the paper's Figure 6."""

from pathlib import Path

from adapter import EFFECT, KERNELS, MAIN_KERNEL, logged, read_phenotype

from popnet.figures import Subject, format_p, save
from popnet.figures import associations as plots
from popnet.figures.circos import circos_edges, mt_circos
from popnet.figures.maps import network_map
from popnet.figures.networks import set_neighbourhood, set_networks
from popnet.files import read_parquet, read_table

MT = "MT"
MEASURES = {
    "within_complexes": "edges within complexes",
    "between_complexes": "edges between complexes",
    "within": "edges within the set",
    "to_others": "edges to other genes",
}
CONSENSUS_SHARE = 0.2


def main(snakemake):
    files, fdr = snakemake.input, snakemake.params.fdr
    definition = snakemake.params.phenotype
    about = snakemake.params.caption
    _, phenotype, binary = read_phenotype(files.samples, definition)
    groups = (definition["control"], definition["case"]) if binary else None
    complexes = read_table(files.complexes).set_index("gene")["complex"]
    association = read_table(files.centrality)
    subject = subject_of(association, about, definition["name"])
    effect = EFFECT[about["preset"]][definition["type"]]

    def draw(name, figure, table):
        save(figure, table, Path(snakemake.output.get(name)[0]).with_suffix(""))

    draw_map(draw, files, about, phenotype, subject, groups, effect, definition["name"])

    genes = plots.top_genes(association, complexes, fdr=fdr)
    draw("centrality", plots.centrality_bars(genes, subject, effect=effect, fdr=fdr), genes)

    gene_sets = read_table(files.gene_sets)
    top = plots.top_gene_sets(gene_sets, fdr=fdr)
    draw("gene_sets", plots.gene_set_bars(top, subject, fdr=fdr), top)

    draw_circos(draw, files, phenotype, complexes, subject, fdr, groups)

    connectivity = read_table(files.connectivity)
    in_graph = list(dict.fromkeys(connectivity["gene_set"]))
    tested = [name for name in gene_sets["gene_set"] if name in in_graph] or in_graph
    consensus_edges = read_parquet(files.consensus_edges)
    members = read_table(files.consensus, text=["gene_sets"]).set_index("gene")["gene_sets"]
    members = members.fillna("").str.split(";")
    set_name = tested[0] if tested else MT
    set_genes = [gene for gene, names in members.items() if set_name in names]
    shown = set_neighbourhood(consensus_edges, set_genes)
    figure = set_networks(
        shown,
        subject,
        set_name=set_name,
        groups=groups or ("lower half", "upper half"),
        min_share=CONSENSUS_SHARE,
    )
    draw("sets", figure, shown)

    set_name = MT if MT in in_graph else set_name
    draw_connectivity(draw, files, connectivity, set_name, subject, groups)


def subject_of(association, about, phenotype):
    n_units = int(association["n_units"].max())
    unit = "bins" if about["preset"] == "paper" else "samples"
    if unit == "samples" and n_units == association["n_donors"].max():
        unit = "donors"
    return Subject(about["cell_type"], phenotype, n=n_units, unit=unit)


def draw_map(draw, files, about, phenotype, subject, groups, effect, name):
    kernel = MAIN_KERNEL[about["preset"]]
    coordinates = read_table(files.coordinates).query("kernel == @kernel")
    coordinates = coordinates.assign(value=coordinates["sample"].map(phenotype))
    tests = read_table(files.map_tests, text=["phenotype"])
    tests = tests[(tests["kernel"] == kernel) & (tests["phenotype"] == name)]
    n = int(tests["n"].max())
    # The paper compares samples here, each the mean of its bins.
    unit = "samples" if about["preset"] == "paper" else subject.unit
    subject = Subject(subject.cell_type, name, n=n, unit=unit)
    test = "; ".join(
        f"{row.axis}: {effect} {row.statistic:.2f}, {format_p(row.q, 'q')}"
        for row in tests.head(2).itertuples()
    )
    shares = coordinates[["explained1", "explained2"]].iloc[0].tolist()
    figure = network_map(
        coordinates, subject, kernel=KERNELS[kernel], shares=shares, test=test, groups=groups
    )
    draw("map", figure, coordinates)


def draw_circos(draw, files, phenotype, complexes, subject, fdr, groups):
    edges = read_table(files.edge_tests)
    edges = edges[edges["gene_set"] == MT]
    sample_edges = read_parquet(files.edges)
    samples = sample_edges["sample"].astype(str).unique()
    known = phenotype[phenotype.index.isin(samples)].dropna().sort_values(kind="stable")
    chosen = known.iloc[sorted({0, len(known) // 2, len(known) - 1})] if len(known) else known
    # Only what is drawn: all edges of a large cohort would fill the memory.
    drawn = sample_edges["sample"].isin(chosen.index)
    for gene in ("gene1", "gene2"):
        drawn &= sample_edges[gene].isin(complexes.index)
    sample_edges = sample_edges[drawn].astype({"sample": str, "gene1": str, "gene2": str})
    if groups:
        roles = [groups[int(value)] for value in chosen]
        texts = [subject.phenotype] * len(chosen)
    else:
        roles = ["lowest", "middle", "highest"][: len(chosen)]
        texts = [f"{value:.3g}" for value in chosen]
    shown = circos_edges(edges, sample_edges, list(chosen.items()), complexes, fdr=fdr)
    samples = list(zip(chosen.index, roles, texts, strict=True))
    draw("circos", mt_circos(shown, samples, complexes, subject, fdr=fdr), shown)


def draw_connectivity(draw, files, connectivity, set_name, subject, groups):
    counts = read_table(files.sample_connectivity)
    counts = counts[counts["gene_set"] == set_name].dropna(subset=["value"])
    tests = connectivity[connectivity["gene_set"] == set_name].set_index("kind")
    measures = {kind: text for kind, text in MEASURES.items() if kind in tests.index}
    texts = {
        kind: f"{tests.at[kind, 'statistic']:.2f}, {format_p(tests.at[kind, 'q'], 'q')}"
        for kind in measures
    }
    figure = plots.connectivity_scatter(
        counts, subject, set_name=set_name, measures=measures, tests=texts, groups=groups
    )
    draw("connectivity", figure, counts)


with logged(snakemake.log[0]):
    main(snakemake)
