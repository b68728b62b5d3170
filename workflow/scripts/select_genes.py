"""Choose the genes of a cell type's networks; samples that came later leave the choice as it is."""

import json
from hashlib import sha256
from pathlib import Path

from adapter import binned_cells, logged, open_sources

from popnet.cells import (
    common_genes,
    read_blocks,
    sample_statistics,
    select_genes,
    selection_basis,
)
from popnet.files import atomic, read_table, write_table


def main(snakemake):
    cells = binned_cells(snakemake.input.cells, snakemake.wildcards.cell_type)
    sources = open_sources(snakemake.params, cells["source"])
    genes, lost = common_genes(list(sources.values()))
    if lost["n_lost"].any():
        print(lost[lost["n_lost"] > 0].to_string(index=False))
    settings = snakemake.params.genes
    chosen_by = {key: settings[key] for key in ("cohort", "sample", "keep")}
    basis = {"settings": chosen_by, "samples": selection_basis(cells)}
    earlier = read_earlier(snakemake.output)
    if earlier and stands(*earlier, basis, genes):
        n_later = len(basis["samples"]) - len(earlier[1]["samples"])
        print(f"{len(earlier[0])} genes as they were: {n_later} samples came later")
        return

    per_sample = sample_statistics(read_blocks(sources, cells, genes))
    table = select_genes(list(per_sample.values()), **chosen_by, genes=genes)
    print(f"{len(table)} of {len(genes)} genes")
    write_table(table, snakemake.output.genes)
    basis["chosen"] = digest(table["gene"])
    with atomic(snakemake.output.basis) as path:
        path.write_text(json.dumps(basis, indent=1))


def read_earlier(files):
    """Return the genes that were chosen before, and from what, or None."""
    try:
        return list(read_table(files.genes)["gene"]), json.loads(Path(files.basis).read_text())
    except (OSError, ValueError, KeyError):
        return None


def digest(genes):
    """Return a checksum of a choice of genes: a table that lost its end is none."""
    return sha256("\n".join(genes).encode()).hexdigest()


def stands(chosen, earlier, basis, genes):
    """Return whether all that the choice was made from is there as it was."""
    return (
        earlier["chosen"] == digest(chosen)
        and set(chosen) <= set(genes)
        and earlier["settings"] == basis["settings"]
        and earlier["samples"].items() < basis["samples"].items()
    )


with logged(snakemake.log[0]):
    main(snakemake)
