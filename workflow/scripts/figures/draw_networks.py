"""Draw the hub genes of a cell type, and the similarity of its samples' networks."""

from adapter import logged

from popnet import presets
from popnet.figures.hubs import hub_dots
from popnet.figures.maps import kernel_heatmap
from popnet.figures.style import Subject, save
from popnet.files import read_h5ad, read_table, resource
from popnet.findings import shown_networks as shown
from popnet.findings.shown_samples import names_of_groups, read_traits
from popnet.networks.kernels import KERNEL_NAMES
from popnet.networks.verdicts import headline, read_measures


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    network = headline(read_measures(files.measures), params.networks)
    place = params.networks.index(network)
    bins = read_h5ad(files.bins[place])
    names = bins.obs["sample"].astype(str)
    samples, phenotypes = read_traits(files.phenotypes, params.phenotypes)
    n_donors = samples["donor"].reindex(names).nunique()
    about = params.caption["cell_type"], None, names.nunique(), "samples", network, n_donors
    subject = Subject(*about)

    centrality = bins.to_df().groupby(names.to_numpy(), sort=False).mean()
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    hubs = shown.hub_genes(centrality, complexes)
    save(hub_dots(hubs, subject), hubs, snakemake.output.hubs[0])

    similarity = read_h5ad(files.similarity[place])
    kernel = presets.main_kernel(params.caption["preset"], similarity.obsp)
    drawn = shown.drawn_similarity(similarity, kernel)
    within = read_table(files.reliability[place]).set_index("kernel")["within_samples"][kernel]
    clustered = shown.cluster(drawn)
    figure = kernel_heatmap(
        clustered,
        subject,
        kernel=KERNEL_NAMES[kernel],
        limits=shown.similarity_range(clustered.similarity, within),
        within=within,
        samples=samples,
        phenotypes=phenotypes,
        groups=names_of_groups(params.phenotypes),
    )
    save(figure, shown.similarity_pairs(drawn, kernel), snakemake.output.kernel[0])


with logged(snakemake.log[0]):
    main(snakemake)
