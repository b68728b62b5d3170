"""Write what a study found as hypotheses for a second cohort, with a seal."""

import json

import pandas as pd
from adapter import logged

from popnet.associations.replicated import FAMILIES
from popnet.associations.replication import GROUP, common_tests, hypotheses, prior_weights, sealed
from popnet.associations.replication_files import of_network, parts_of
from popnet.files import atomic, read_table, write_table
from popnet.networks.verdicts import headline, read_measures


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    measures = {cell_type: read_measures(path) for cell_type, path in params.measures}
    fdr, found, priors = params.settings["statistics"]["fdr"], [], []
    for asked, path in zip(params.asked, snakemake.input.tables, strict=True):
        phenotype, cell_type, _, analysis = asked
        network = headline(measures.get(cell_type), params.networks)
        own = of_network(read_table(path), network, analysis)
        tests = common_tests(analysis, own)
        about = dict(zip(GROUP, (phenotype, cell_type, analysis), strict=True))
        about["network"] = str(own["network"].iloc[0]) if "network" in own and len(own) else ""
        claims = hypotheses(tests, fdr)
        found.append(pd.DataFrame(about, claims.index).join(claims))
        priors.append(about | {"weights": prior_weights(tests)})
        print(f"{phenotype}, {cell_type}, {analysis}: {len(claims)} of {len(tests)}")
    write_table(pd.concat(found, ignore_index=True), output.table)
    parts = parts_of(params.frozen, snakemake.input.gene_sets, params.settings)
    seal = sealed(output.table, parts | {"families": list(FAMILIES), "priors": priors})
    print(f"seal {seal['sha256']}")
    with atomic(output.seal) as path:
        path.write_text(json.dumps(seal, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
