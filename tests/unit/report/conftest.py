"""Results of a small study as the workflow writes them, to make pages of."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from popnet.files import write_h5ad, write_parquet, write_table
from popnet.report.results import Results

SAMPLES = tuple(f"S{number}" for number in range(8))


@pytest.fixture
def write_study(tmp_path):
    """A function that writes results of a study and returns them."""

    def write(
        genes=("G1", "G2", "G3", "G4", "G5"),
        samples=SAMPLES,
        phenotype="age",
        cell_type="T",
        set_name="a set",
        donors="show",
        folder=tmp_path,
    ) -> Results:
        rng = np.random.default_rng(0)
        n_genes, n_samples = len(genes), len(samples)
        files = []

        def put(table, path):
            path = folder / path
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".parquet":
                write_parquet(table, path)
            elif path.suffix == ".h5ad":
                write_h5ad(table, path)
            else:
                write_table(table, path)
            files.append(str(path.relative_to(folder)))

        values = rng.normal(size=(n_genes, n_samples))
        put(
            pd.DataFrame({"cell_type": cell_type, "sample": samples, "bin": 1, "n_cells": 100}),
            "bins.tsv",
        )
        about = pd.DataFrame({"sample": samples, "donor": samples, "batch": "b"})
        put(about, "samples.tsv")
        put(about.assign(**{phenotype: np.arange(n_samples) * 1.5}), "study/phenotypes/p.tsv")
        excluded = {"cell_type": [cell_type], "sample": ["left"], "n_cells": [3]}
        put(pd.DataFrame(excluded | {"reason": ["no bin: 3 cells"]}), "excluded.tsv")
        networks = "t/networks/shared"
        named = pd.DataFrame(values, columns=list(samples))
        named.insert(0, "gene", genes)
        put(named, f"{networks}/centrality.tsv")
        put(pd.DataFrame({"gene": genes, "icc": 0.8}), f"{networks}/reliability.tsv")
        bins = ad.AnnData(
            values.T.copy(),
            obs=pd.DataFrame({"sample": samples}, index=[f"{s} 1" for s in samples]),
            var=pd.DataFrame(index=list(genes)),
        )
        bins.layers["mean_expression"] = values.T + 3
        bins.layers["detection_rate"] = rng.uniform(size=(n_samples, n_genes))
        put(bins, f"{networks}/bins.h5ad")
        pairs = [(s, genes[0], g, 0.5, 1.0) for s in samples for g in genes[1:20]]
        columns = ["sample", "gene1", "gene2", "weight", "share"]
        put(pd.DataFrame(pairs, columns=columns), f"{networks}/edges.parquet")
        near = [(s, genes[0], g, 1) for s in samples for g in genes[1:10]]
        near = pd.DataFrame(near, columns=["sample", "gene", "neighbour", "rank"])
        put(near, f"{networks}/neighbours.parquet")
        alike = {"kernel": ["edge_jaccard"], "within_samples": 0.7, "within_donors": 0.6}
        alike |= {"within_batches": 0.5, "between_batches": 0.4, "n_within_donors": 0}
        alike |= {"n_within_batches": 10, "n_between_batches": 10}
        put(pd.DataFrame(alike), "t/map/shared/reliability.tsv")
        modules = {"module": 1, "name": "M one", "gene_set": set_name, "gene_set_q": 0.01}
        modules |= {"n_genes": 3, "stability": 0.9, "stable": True, "gene": genes[:3]}
        put(pd.DataFrame(modules), f"{networks}/modules.tsv")
        p = np.linspace(1e-6, 0.9, n_genes)
        tests = {"network": "shared", "gene": genes, "estimate": -0.5, "statistic": -0.4, "p": p}
        tests |= {"q": np.minimum(p * 2, 1), "icc": 0.8, "reliable": True, "explained_by": "none"}
        tests = pd.DataFrame(tests)
        of = "t/associations/p"
        put(tests, f"{of}/centrality.tsv")
        both = [tests.assign(measure=name) for name in ("expression", "detection")]
        put(pd.concat(both).drop(columns=["network"]), f"{of}/expression.tsv")
        of_set = {"network": "shared", "gene_set": [set_name], "es": -0.6, "nes": -2.0, "p": 1e-4}
        put(pd.DataFrame(of_set | {"q": 1e-4, "explained_by": "none"}), f"{of}/gene_sets.tsv")
        edges = {"network": "shared", "gene_set": "all", "gene1": genes[0], "gene2": genes[1:]}
        edges |= {"estimate": -0.1, "statistic": -0.5, "p": 0.001, "q": 0.002, "agrees": True}
        put(pd.DataFrame(edges), f"{of}/edges.tsv")
        of_module = {"network": "shared", "kind": ["density"], "module1": 1, "name1": "M one"}
        of_module |= {"name2": "", "estimate": -0.2, "p": 0.01, "q": 0.01, "explained_by": "none"}
        put(pd.DataFrame(of_module), f"{of}/modules.tsv")
        design = {"observations": n_samples, "each is a": "donor", "detectable effect": 0.61}
        design |= {"detectable effect, all tests": 0.9, "reliability (median gene)": 0.8}
        design |= {"warning": "few observations"}
        put(pd.DataFrame([*design.items()], columns=["item", "value"]), f"{of}/shared/design.tsv")
        covariates = {"covariate": ["sex"], "statistic": [0.1], "p": [0.8]}
        put(pd.DataFrame(covariates), f"{of}/shared/covariates.tsv")
        row = {"phenotype": phenotype, "cell_type": cell_type, "network": "shared"}
        row |= {"analysis": "Degree centrality: genes", "tested": n_genes, "significant": 2}
        row |= {"unexplained": 2, "strongest": genes[0], "smallest_q": 1e-5, "family_p": 1e-5}
        row |= {"family_q": 1e-5, "significant_in_study": 1, "of_these": "", "measurable": ""}
        row |= {"by_chance": 0.0, "most_by_chance": 0.0, "permuted_phenotypes": 19}
        put(pd.DataFrame([row]), "findings.tsv")
        sets = [{"name": set_name, "prefix": None, "genes": list(genes[:3])}]
        (folder / "study/gene_sets.json").write_text(json.dumps(sets), encoding="utf-8")
        files.append("study/gene_sets.json")
        defined = {"name": phenotype, "type": "continuous", "case": None, "control": None}
        defined |= {"description": "", "levels": [], "factors": [], "margin": None}
        study = {
            **{"cohort": "small", "description": "A study", "preset": "robust", "fdr": 0.05},
            **{"min_icc": 0.4, "size": 100, "latent": 8, "donors": donors, "has_cells": True},
            **{"networks": ["shared"], "own": [], "cell_types": {"t": cell_type}},
            **{"phenotypes": {"p": defined}, "levels": {}, "simulated": False},
        }
        return Results(folder, frozenset(files), study)

    return write
