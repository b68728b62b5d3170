"""Put programmes and genes of two groups side by side, for the page's network view."""

import json

from adapter import logged

from popnet import presets
from popnet.associations.designs import read_design
from popnet.associations.edges import observe
from popnet.files import atomic, read_h5ad, read_parquet, read_table
from popnet.findings import shown_groups as shown
from popnet.networks.centrality import in_graph
from popnet.networks.verdicts import headline, read_measures
from popnet.report import view_data as view
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    params = snakemake.params
    shown_view = view.network_view(
        params.cell_type,
        params.phenotype["name"],
        programmes(snakemake.input.programmes, params) if snakemake.input.programmes else None,
        genes(snakemake.input, params),
    )
    text = json.dumps(shown_view, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    with atomic(snakemake.output[0]) as path:
        path.write_text(text + "\n", "utf-8")


def programmes(files, params):
    """Return the view of the programmes."""
    values, described, tests, design = files
    values, design = read_h5ad(values), read_design(design)
    groups = shown.Groups.of(design, params.phenotype)
    columns = values.var.reset_index(drop=True).astype({"kind": str})
    tables = map(read_table, (described, tests))
    found = shown.shown_programmes(values.X, columns, *tables, design, groups)
    return view.programme_view(*found, groups, params.fdr)


def genes(files, params):
    """Return the view of the genes of the headline, or of the first network that has edges."""
    network = headline(read_measures(files.measures), params.networks)
    at = params.edged.index(network) if network in params.edged else 0
    bins, edges = read_h5ad(files.bins[at]), read_parquet(files.edges[at])
    of_graph = bins.var_names[in_graph(bins)]
    observed = observe(edges, bins.obs, of_graph, presets.unit(params.preset))
    sign = edges.groupby(["gene1", "gene2"], observed=True)["weight"].mean()
    design = read_design(files.designs[at])
    groups = shown.Groups.of(design, params.phenotype)
    tests, centrality = read_table(files.tests[at]), read_table(files.centrality[at])
    found = shown.shown_edges(observed, sign, tests, design, groups, params.fdr)
    modules = read_table(files.modules[at]) if params.edged[at] in params.with_modules else None
    gene_sets = resolve_gene_sets(read_gene_sets(files.gene_sets), of_graph)
    about = params.edged[at], *found, centrality, modules, gene_sets
    return view.gene_view(*about, groups, params.fdr)


with logged(snakemake.log[0]):
    main(snakemake)
