"""Draw what is associated with a phenotype: panels b to f of the paper's Figure 6."""

from adapter import logged

from popnet import presets
from popnet.figures import associations as plots
from popnet.figures.circos import mt_circos
from popnet.figures.maps import network_map
from popnet.figures.networks import set_networks
from popnet.figures.style import Subject, save
from popnet.files import read_parquet, read_table, resource
from popnet.findings import shown_associations as shown
from popnet.networks.kernels import KERNEL_NAMES
from popnet.stats.units import columns_of, encoded


def main(snakemake):
    files, output, about = snakemake.input, snakemake.output, snakemake.params.caption
    definition, fdr = snakemake.params.phenotype, snakemake.params.fdr
    name, preset, cell_type = definition["name"], about["preset"], about["cell_type"]
    phenotype = encoded(
        read_table(files.phenotype, text=columns_of(definition)).set_index("sample"), definition
    )
    groups = (definition["control"], definition["case"]) if about["binary"] else None
    effect = presets.effect_name(preset, definition["type"])
    coordinates = read_table(files.coordinates)
    kernel = presets.main_kernel(preset, coordinates["kernel"])
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    association, gene_sets = read_table(files.centrality), read_table(files.gene_sets)
    subject = Subject(cell_type, name, *shown.units_of_tests(association, preset))

    points = shown.map_points(coordinates, phenotype, kernel)
    tests = shown.map_tests(read_table(files.map_tests, text=["phenotype"]), name, kernel)
    of_map = Subject(cell_type, name, int(tests["n"].max()), shown.map_unit(subject.unit))
    names = {"kernel": KERNEL_NAMES[kernel], "effect": effect, "groups": groups}
    save(network_map(points, tests.head(2), of_map, **names), points, output.map[0])
    genes = shown.top_genes(association, complexes, fdr=fdr)
    figure = plots.centrality_bars(genes, subject, effect=effect, fdr=fdr)
    save(figure, genes, output.centrality[0])
    top = shown.top_gene_sets(gene_sets, fdr=fdr)
    save(plots.gene_set_bars(top, subject, fdr=fdr), top, output.gene_sets[0])
    if output.get("circos"):
        shared = subject, phenotype, complexes, gene_sets, groups, fdr
        draw_edges(files, output, *shared)


def draw_edges(files, output, subject, phenotype, complexes, gene_sets, groups, fdr):
    """Draw what is about edges, which values of genes do not have."""
    connectivity = read_table(files.connectivity)
    edges = read_parquet(files.edges)
    edges["weight"] = edges.pop("share")
    examples = shown.example_samples(phenotype, edges["sample"].unique())
    tests = read_table(files.edge_tests)
    drawn = shown.mitochondrial_edges(tests, edges, examples, complexes, fdr=fdr)
    figure = mt_circos(drawn, examples, complexes, subject, fdr=fdr, groups=groups)
    save(figure, drawn, output.circos[0])
    of_set = shown.drawn_set(gene_sets, connectivity)
    members = shown.genes_of_set(read_table(files.consensus, text=["gene_sets"]), of_set)
    around = shown.set_neighbourhood(read_parquet(files.consensus_edges), members)
    figure = set_networks(around, shown.degrees(around), subject, set_name=of_set, groups=groups)
    save(figure, around, output.sets[0])
    of_set = shown.connectivity_set(gene_sets, connectivity)
    counts = read_table(files.sample_connectivity).query("gene_set == @of_set")
    counts, tests = counts.dropna(subset=["value"]), connectivity.query("gene_set == @of_set")
    figure = plots.connectivity_scatter(counts, tests, subject, set_name=of_set, groups=groups)
    save(figure, counts, output.connectivity[0])


with logged(snakemake.log[0]):
    main(snakemake)
