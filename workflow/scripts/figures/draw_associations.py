"""Draw what is associated with a phenotype: the map, genes and gene sets of the headline."""

from adapter import logged

from popnet import presets
from popnet.figures import genes as plots
from popnet.figures.associations import gene_set_bars
from popnet.figures.maps import network_map
from popnet.figures.style import Subject, save
from popnet.files import read_table, resource
from popnet.findings import shown_associations as shown
from popnet.findings.shown_samples import read_traits
from popnet.networks.kernels import KERNEL_NAMES
from popnet.networks.verdicts import headline, read_measures


def main(snakemake):
    files, output, params = snakemake.input, snakemake.output, snakemake.params
    about, definition, fdr = params.caption, params.phenotype, params.fdr
    network = headline(read_measures(files.measures), params.networks)
    place = params.networks.index(network)
    named = about["cell_type"], definition["name"]
    binary, preset = about["binary"], about["preset"]
    groups = (definition["control"], definition["case"]) if binary else None
    effect = presets.effect_name(preset, definition["type"])

    coordinates = read_table(files.coordinates[place])
    kernel = presets.main_kernel(preset, coordinates["kernel"])
    samples, values = read_traits([files.phenotype], [definition])
    points = shown.map_points(coordinates, values[definition["name"]], samples, kernel)
    tests = read_table(files.map_tests[place], text=["phenotype"])
    tests = shown.map_tests(tests, definition["name"], kernel).head(2)
    icc = read_table(files.map_reliability[place]).set_index("kernel")["icc"][kernel]
    subject = Subject(*named, len(points), "samples", network, points["donor"].nunique())
    names = {"kernel": KERNEL_NAMES[kernel], "effect": effect, "groups": groups}
    save(network_map(points, tests, subject, icc=icc, **names), points, output.map[0])

    association = read_table(files.centrality[place])
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    subject = Subject(*named, *shown.units_of_tests(association, preset), network)
    genes = shown.top_genes(association, complexes, fdr=fdr)
    figure = plots.gene_effects(genes, subject, effect=effect, fdr=fdr, binary=binary)
    save(figure, genes, output.centrality[0])
    tested = shown.with_complexes(association, complexes, fdr=fdr)
    table = shown.volcano_points(tested)
    of_axis = plots.change(binary) if "estimate" in tested else effect
    save(plots.volcano(table, subject, effect=of_axis, fdr=fdr), table, output.volcano[0])
    table = shown.quadrant_points(tested, *map(read_table, files.expression), fdr=fdr)
    save(plots.quadrants(table, subject, effect=effect, fdr=fdr), table, output.quadrants[0])
    table = shown.qq_points(association)
    save(plots.quantiles_of_p(table, subject), table, output.qq[0])
    table = shown.top_gene_sets(read_table(files.gene_sets[place]), fdr=fdr)
    save(gene_set_bars(table, subject, fdr=fdr), table, output.gene_sets[0])


with logged(snakemake.log[0]):
    main(snakemake)
