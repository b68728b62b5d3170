"""Associate the graph centralities of every gene with a phenotype."""

from adapter import logged

from popnet import presets
from popnet.associations import graph_centrality
from popnet.associations.composition import read_composition
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, write_table
from popnet.networks.centrality import MEASURES, in_graph
from popnet.networks.verdicts import read_measures


def main(snakemake):
    params = snakemake.params
    bins = read_h5ad(snakemake.input.bins)
    bins = bins[:, in_graph(bins)]
    of_cells = ("mean_expression", "detection_rate")
    names = [name for name in (*MEASURES, *of_cells) if name in bins.layers]
    layers = {name: bins.layers[name] for name in names}
    test = presets.answer(graph_centrality, params.preset)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network, params.equal_depth
    testing = Testing.from_config(params.statistics, *about)
    design = read_design(snakemake.input.design)
    shares = read_composition(snakemake.input.composition)
    write_table(test(layers, bins.var_names, design, testing, *shares), snakemake.output.table)
    write_table(testing.by_chance("graph_centrality"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
