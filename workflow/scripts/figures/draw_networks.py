"""Draw the hub genes of a cell type, and the similarity of its samples' networks."""

from adapter import logged

from popnet import presets
from popnet.figures.hubs import hub_dots
from popnet.figures.maps import kernel_heatmap
from popnet.figures.style import Subject, save
from popnet.files import read_h5ad, read_table, resource
from popnet.findings.shown_networks import cluster_order, hub_genes, square_similarity
from popnet.networks.kernels import KERNEL_NAMES


def main(snakemake):
    about = snakemake.params.caption
    bins = read_h5ad(snakemake.input.bins)
    samples = bins.obs["sample"].astype(str)
    subject = Subject(about["cell_type"], None, n=samples.nunique())

    centrality = bins.to_df().groupby(samples.to_numpy(), sort=False).mean()
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    hubs = hub_genes(centrality, complexes)
    save(hub_dots(hubs, subject), hubs, snakemake.output.hubs[0])

    pairs = read_table(snakemake.input.kernel)
    kernel = presets.main_kernel(about["preset"], pairs["kernel"])
    pairs = pairs.query("kernel == @kernel")
    similarity = cluster_order(square_similarity(pairs))
    figure = kernel_heatmap(similarity, subject, kernel=KERNEL_NAMES[kernel])
    save(figure, pairs, snakemake.output.kernel[0])


with logged(snakemake.log[0]):
    main(snakemake)
