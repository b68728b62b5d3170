"""Associate the map of the samples' networks with a phenotype."""

from adapter import logged

from popnet import presets
from popnet.associations import maps
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_parquet, write_table
from popnet.networks.maps import AXES
from popnet.networks.verdicts import read_measures


def main(snakemake):
    params = snakemake.params
    coordinates = read_parquet(snakemake.input.coordinates)
    similarity = read_h5ad(snakemake.input.similarity)
    of_kernel = {
        kernel: maps.SampleMap(
            list(similarity.obs_names),
            similarity.obsp[kernel],
            coordinates.loc[coordinates["kernel"] == kernel, AXES],
        )
        for kernel in coordinates["kernel"].unique()
    }
    test = presets.answer(maps, params.preset)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing = Testing.from_config(params.statistics, *about)
    table = test(of_kernel, read_design(snakemake.input.design), testing)
    write_table(table.assign(phenotype=params.phenotype["name"]), snakemake.output.table)
    # Findings are about one map.
    main_kernel = presets.main_kernel(params.preset, of_kernel)
    write_table(testing.by_chance(f"axes of {main_kernel}"), snakemake.output.axes_null)
    write_table(testing.by_chance(f"map of {main_kernel}"), snakemake.output.map_null)


with logged(snakemake.log[0]):
    main(snakemake)
