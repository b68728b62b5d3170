"""Read the samples' genotypes on the contig of the sheet."""

import numpy as np
from adapter import logged

from popnet.files import read_table
from popnet.genotypes.reading import read_genotypes, sample_vcfs
from popnet.genotypes.table import write_genotypes
from popnet.presets import PRESETS


def main(snakemake):
    variants, own = snakemake.params.sheet["variants"], snakemake.params.sheet["vcfs"]
    samples = list(read_table(snakemake.input.samples)["sample"])
    strict = {}
    if PRESETS[snakemake.params.preset].strict_genotypes:
        strict = {
            "absent": variants["absent"] or "missing",
            "mask": [tuple(ends) for ends in variants["mask"]],
            "min_depth": variants["min_depth"],
        }
    vcfs = sample_vcfs(variants["path"], variants["samples"], own, samples)
    contig, keep_filters, problems = variants["contig"], variants["keep_filters"], []
    genotypes = read_genotypes(vcfs, contig, keep_filters, problems=problems, **strict)
    print(*problems, sep="\n")
    print(f"{len(genotypes.samples)} samples, {len(genotypes.variants)} variants")
    if genotypes.dosage.size:
        missing = np.isnan(genotypes.dosage).mean()
        heteroplasmic = genotypes.heteroplasmic.sum()
        print(f"{missing:.1%} of the genotypes are missing; {heteroplasmic} are heteroplasmic")
    write_genotypes(genotypes, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
