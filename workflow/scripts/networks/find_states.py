"""Find the cell states of a cell type, and how many cells of every bin are in each."""

from pathlib import Path

import numpy as np
import torch
from adapter import logged

from popnet.cells.expression import BinnedExpression
from popnet.files import read_table, write_table
from popnet.networks import states
from popnet.sivae.covariance import principal_projection, projected
from popnet.sivae.result import load
from popnet.sivae.shared import draw_cells, read_basis


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files, seed = snakemake.input, snakemake.params.seed
    folder, expression = Path(files.model).parent, BinnedExpression(files.expression)
    fit, basis = load(folder), read_basis(folder)
    donors = read_table(files.donors).set_index("sample")["donor"]
    projection = principal_projection(fit, states.N_DIRECTIONS)
    cells = expression.obs.reset_index(drop=True)
    bins = list(cells[["sample", "bin"]].drop_duplicates().itertuples(index=False, name=None))
    # Bins lie one behind the other.
    scores = np.concatenate([projected(fit, projection, expression.read(*key)) for key in bins])
    # Samples that came later than the model do not move the states of the others.
    of_model = cells[cells["sample"].isin(basis.samples)]
    drawn = of_model.index[draw_cells(of_model, donors, states.MOST_CELLS, seed)]
    samples = cells["sample"].to_numpy(str)
    of_donor = donors.loc[samples[drawn]].to_numpy(str)
    found = states.find_states(scores[drawn], samples[drawn], of_donor, seed)
    print(found.agreement.rename("agreement of halves of the donors").to_string())
    n_states = len(found.centres)
    state = states.assign(scores, samples, found.centres)
    sums = np.zeros((n_states, len(expression.genes)))
    for key in bins:
        rows, values = state[expression.rows(*key)], expression.read(*key)
        sums += np.eye(n_states)[rows].T @ values
    size = np.bincount(state, minlength=n_states)
    write_table(states.describe(found, sums, size, expression.genes), snakemake.output.states)
    counts = states.count_states(cells, state, n_states)
    write_table(counts, snakemake.output.composition)


with logged(snakemake.log[0]):
    main(snakemake)
