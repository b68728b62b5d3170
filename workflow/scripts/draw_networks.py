"""Draw the hub genes of a cell type and how alike its samples are."""

from pathlib import Path

from adapter import KERNELS, MAIN_KERNEL, logged

from popnet.figures import Subject, save
from popnet.figures.hubs import hub_dots, hub_genes
from popnet.figures.maps import cluster_order, kernel_heatmap
from popnet.files import read_h5ad, read_table


def main(snakemake):
    about = snakemake.params.caption
    bins = read_h5ad(snakemake.input.bins)
    samples = bins.obs["sample"].astype(str)
    subject = Subject(about["cell_type"], None, n=samples.nunique())

    centrality = bins.to_df().groupby(samples.to_numpy(), sort=False).mean()
    complexes = read_table(snakemake.input.complexes).set_index("gene")["complex"]
    hubs = hub_genes(centrality, complexes)
    save(hub_dots(hubs, subject), hubs, Path(snakemake.output.hubs[0]).with_suffix(""))

    kernel = MAIN_KERNEL[about["preset"]]
    similarity = read_table(snakemake.input.kernel).query("kernel == @kernel")
    upper = similarity.pivot(index="sample1", columns="sample2", values="similarity")
    square = upper.combine_first(upper.T)
    figure = kernel_heatmap(cluster_order(square), subject, kernel=KERNELS[kernel])
    save(figure, similarity, Path(snakemake.output.kernel[0]).with_suffix(""))


with logged(snakemake.log[0]):
    main(snakemake)
