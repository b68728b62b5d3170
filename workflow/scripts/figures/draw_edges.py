"""Draw edges against a phenotype: panels c, d and f of the paper's Figure 6."""

from adapter import logged

from popnet.figures.associations import connectivity_scatter
from popnet.figures.circos import mt_circos
from popnet.figures.networks import set_networks
from popnet.figures.style import Subject, save
from popnet.files import read_parquet, read_table, resource
from popnet.findings import shown_associations as shown
from popnet.findings.shown_samples import read_traits
from popnet.networks.verdicts import headline, read_measures


def main(snakemake):
    output, params = snakemake.output, snakemake.params
    about, definition, fdr = params.caption, params.phenotype, params.fdr
    network = headline(read_measures(snakemake.input.measures), params.networks)
    place = params.networks.index(network)
    names = ["edges", "centrality", "gene_sets", "edge_tests", "connectivity"]
    names += ["sample_connectivity", "consensus", "consensus_edges"]
    files = {name: snakemake.input[name][place] for name in names}
    _, values = read_traits([snakemake.input.phenotype], [definition])
    phenotype = values[definition["name"]]
    groups = (definition["control"], definition["case"]) if about["binary"] else None
    units = shown.units_of_tests(read_table(files["centrality"]), about["preset"])
    subject = Subject(about["cell_type"], definition["name"], *units, network)

    connectivity, gene_sets = read_table(files["connectivity"]), read_table(files["gene_sets"])
    edges = read_parquet(files["edges"])
    edges["weight"] = edges.pop("share")
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    examples = shown.example_samples(phenotype, edges["sample"].unique())
    tests = read_table(files["edge_tests"])
    drawn = shown.mitochondrial_edges(tests, edges, examples, complexes, fdr=fdr)
    figure = mt_circos(drawn, examples, complexes, subject, fdr=fdr, groups=groups)
    save(figure, drawn, output.circos[0])
    of_set = shown.drawn_set(gene_sets, connectivity)
    members = shown.genes_of_set(read_table(files["consensus"], text=["gene_sets"]), of_set)
    around = shown.set_neighbourhood(read_parquet(files["consensus_edges"]), members)
    figure = set_networks(around, shown.degrees(around), subject, set_name=of_set, groups=groups)
    save(figure, around, output.sets[0])
    of_set = shown.connectivity_set(gene_sets, connectivity)
    counts = read_table(files["sample_connectivity"]).query("gene_set == @of_set")
    counts, tests = counts.dropna(subset=["value"]), connectivity.query("gene_set == @of_set")
    figure = connectivity_scatter(counts, tests, subject, set_name=of_set, groups=groups)
    save(figure, counts, output.connectivity[0])


with logged(snakemake.log[0]):
    main(snakemake)
