"""Time and memory of everything after training, stage by stage, as samples grow.

    python benchmarks/after_training.py --samples 41 200 1000
    python benchmarks/after_training.py --samples 41 --central-genes all --gene-sets kegg.gmt

Simulates what training writes (loadings and errors of genes in modules, a share of them the bin's
own) and the table of samples, which the workflow takes from the sheet and the cells. Then runs the
scripts of the rules one after another, with their inputs and parameters, each in a process of its
own on one thread, and prints a tab-separated table. Memory is the peak of the resident set (read
from /proc, so Linux only), libraries included.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import tempfile
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

from measuring import ROOT, in_child, machine, measure

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import yaml
from anndata.io import write_elem

from popnet.files import read_table, resource, write_table
from popnet.study.definitions import GeneSet, Phenotype
from popnet.study.gene_sets import read_gmt

LATENT, MODULES, BATCHES = 32, 40, 10
# Standard deviations of a gene's place in the latent space around its module's, of samples around
# the cohort and of bins around their sample.
GENE, SAMPLE, BIN = 1.0, 0.7, 0.7
PHENOTYPE = Phenotype("efficiency", "continuous", "efficiency")
COVARIATES = ["sex", "age"]
SCRIPTS = ROOT / "workflow" / "scripts"


def gene_names(n_genes: int, gmt: str | None) -> tuple[list[str], dict[str, list[str]]]:
    """Return genes and gene sets: those of a GMT file, or 186 of sizes like KEGG's."""
    rng = np.random.default_rng(1)
    mt = list(read_table(resource("mtdna_genes.tsv"))["gene"])
    if gmt:
        sets = read_gmt(gmt)
        known = sorted(set().union(*sets.values()) - set(mt))
        names = list(rng.permutation(known)[: n_genes - len(mt)])
        return mt + names + [f"GENE{n}" for n in range(n_genes - len(mt) - len(names))], sets
    names = mt + [f"GENE{n}" for n in range(n_genes - len(mt))]
    sizes = np.minimum(rng.lognormal(3.0, 0.8, 186).astype(int) + 5, n_genes // 2)
    return names, {f"SET{n}": list(rng.choice(names, size)) for n, size in enumerate(sizes)}


def simulate(folder: Path, n_samples: int, n_genes: int, n_bins: int, gmt: str | None) -> None:
    """Write the gene sets, the samples, the bins and what training leaves of each."""
    rng = np.random.default_rng(1)
    genes, sets = gene_names(n_genes, gmt)
    (folder / "sets.gmt").write_text(
        "".join("\t".join([name, "", *members]) + "\n" for name, members in sets.items())
    )
    samples = pd.DataFrame({"sample": [f"sample {n}" for n in range(n_samples)]})
    samples["donor"] = samples["sample"]
    samples["batch"] = [f"pool {n * BATCHES // n_samples}" for n in range(n_samples)]
    samples["n_cells"] = 1000 * n_bins
    score = rng.normal(size=n_samples)
    samples["efficiency"] = score
    samples["outcome"] = np.where(score + rng.normal(size=n_samples) > 0, "failed", "succeeded")
    samples["sex"] = rng.choice(["female", "male"], n_samples)
    samples["age"] = rng.normal(60, 10, n_samples)
    write_table(samples, folder / "samples.tsv")

    module = rng.integers(MODULES, size=n_genes)
    centres = rng.normal(size=(MODULES, LATENT))[module] + GENE * rng.normal(size=(n_genes, LATENT))
    # The most central genes of bins are much the same, as in real cohorts.
    explained = rng.normal(0, 1, n_genes)
    effect = np.where(np.arange(n_genes) < n_genes // 40, 0.3, 0.0)
    level = rng.uniform(0.02, 0.6, n_genes)
    losses = pd.DataFrame({"stage": "joint", "step": np.arange(0, 500, 10), "total": 1.0})
    (folder / "models").mkdir()
    bins, trained, detection = [], [], []
    for number, sample in enumerate(samples["sample"]):
        own = centres + SAMPLE * rng.normal(size=centres.shape)
        own_explained = explained + effect * score[number] + 0.25 * rng.normal(size=n_genes)
        for bin_ in range(1, n_bins + 1):
            rate = np.clip(level + 0.02 * rng.normal(size=n_genes), 0, 1)
            share = 1 / (1 + np.exp(-(own_explained + 0.25 * rng.normal(size=n_genes))))
            variance = rng.uniform(0.8, 1.2, n_genes)
            path = folder / "models" / f"{number}.{bin_}.h5ad"
            with h5py.File(path, "w") as file:
                write_elem(file, "var/reconstruction_error", variance * (1 - share / 2))
                write_elem(file, "var/variance", variance)
                loadings = own + BIN * rng.normal(size=own.shape)
                write_elem(file, "varm/sivae_loadings", loadings.astype(np.float32))
                write_elem(file, "uns/losses", losses)
            depth = 3.5 + 0.1 * rng.normal()
            bins.append((sample, bin_, 1000, samples.at[number, "batch"], depth))
            trained.append((sample, bin_, 1, path.name, "trained"))
            detection.append(rate)
    table = pd.DataFrame(trained, columns=["sample", "bin", "repeat", "model", "status"])
    write_table(table, folder / "training.tsv")
    obs = pd.DataFrame(bins, columns=["sample", "bin", "n_cells", "batch", "mean_depth"])
    obs.index = obs["sample"] + "." + obs["bin"].astype(str)
    rates = np.array(detection)
    summary = ad.AnnData(
        rates * rng.uniform(1, 3, n_genes),
        obs=obs,
        var=pd.DataFrame(index=genes),
        layers={"detection_rate": rates},
    )
    summary.write_h5ad(folder / "summary.h5ad")


def stages(folder: Path, central_genes: int | str, permutations: int) -> dict[str, tuple]:
    """Return each rule's input (files of `folder`), output and parameters, in their order."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    preset = {"preset": "robust"}
    tested = preset | {
        "statistics": config["statistics"] | {"permutations": permutations},
        "seed": 1,
    }
    phenotype = {"phenotype": asdict(PHENOTYPE)}
    gene_sets = [
        asdict(GeneSet("MT", prefix="MT-")),
        asdict(GeneSet("sets", gmt=str(folder / "sets.gmt"))),
    ]
    networks = {
        "bins": "bins.h5ad",
        "bin_edges": "bin_edges.parquet",
        "edges": "edges.parquet",
        "neighbours": "neighbours.parquet",
        "centrality": "centrality.tsv",
        "degree": "degree.tsv",
        "mean_expression": "mean_expression.tsv",
        "reliability": "reliability.tsv",
        "losses": "losses.parquet",
    }
    bins = {"bins": "bins.h5ad"}
    edges = bins | {"edges": "edges.parquet", "gene_sets": "gene_sets.json"}
    design = {"design": "design.npz"}
    values = {"phenotype": "samples.tsv"}
    centrality = [str(folder / "tested.tsv"), str(folder / "maxima.parquet")]
    return {
        "resolve_gene_sets": ({}, ["gene_sets.json"], {"gene_sets": gene_sets}),
        "gather_networks": (
            {"trained": ["training.tsv"], "summary": "summary.h5ad"},
            networks,
            preset
            | {
                "models": str(folder / "models"),
                "networks": config["networks"] | {"central_genes": central_genes},
                "max_failed_bins": config["training"]["max_failed_bins"],
            },
        ),
        "map_networks": (
            bins | {"edges": "bin_edges.parquet", "samples": "samples.tsv"},
            {
                "kernel": "kernel.tsv",
                "coordinates": "coordinates.tsv",
                "exact_similarity": "similarity.parquet",
                "exact_coordinates": "coordinates.parquet",
                "reliability": "map_reliability.tsv",
                "variance": "variance.tsv",
            },
            tested,
        ),
        "export_networks": (
            bins | {"edges": "edges.parquet", "kernel": "kernel.tsv", "samples": "samples.tsv"},
            ["graphs/cohort.h5ad"],
            {},
        ),
        "count_connectivity": (edges, ["connectivity.parquet"], preset),
        "make_design": (
            bins | values,
            design | {"covariates": "covariates.tsv"},
            preset
            | phenotype
            | {
                "covariates": COVARIATES,
                "categorical": ["sex"],
                "adjust": config["statistics"]["adjust"],
            },
        ),
        "associate_centrality": (
            bins | design | {"reliability": "reliability.tsv"},
            {
                "table": "tested.tsv",
                "design": "design.tsv",
                "maxima": "maxima.parquet",
                "null": "centrality.null.tsv",
            },
            tested,
        ),
        "associate_graph_centrality": (
            bins | design,
            {"table": "graph_centrality.tsv", "null": "graph_centrality.null.tsv"},
            tested,
        ),
        "enrich_gene_sets": (
            bins | design | {"gene_sets": "gene_sets.json"},
            {"table": "gene_sets.tsv", "null": "gene_sets.null.tsv"},
            tested,
        ),
        "associate_edges": (
            edges | design,
            {"edges": "edges.tsv", "components": "components.tsv"}
            | {
                f"{analysis}_null": f"{analysis}.null.tsv"
                for analysis in ("edges", "model_edges", "components")
            },
            tested,
        ),
        "associate_connectivity": (
            design | values | {"connectivity": "connectivity.parquet"},
            {
                "connectivity": "connectivity.tsv",
                "sample_connectivity": "sample_connectivity.tsv",
                "null": "connectivity.null.tsv",
            },
            tested | phenotype,
        ),
        "associate_consensus": (
            edges | design,
            {
                "consensus": "consensus.tsv",
                "consensus_edges": "consensus_edges.parquet",
                "null": "consensus.null.tsv",
            },
            tested,
        ),
        "associate_map": (
            design | {"similarity": "similarity.parquet", "coordinates": "coordinates.parquet"},
            {"table": "map.tsv", "axes_null": "axes.null.tsv", "map_null": "map.null.tsv"},
            tested | phenotype,
        ),
        "gather_map_tests": (["map.tsv"], ["tests.tsv"], {}),
        "correct_study": (
            {},
            ["associations.tsv"],
            {"tests": [["all", PHENOTYPE.name, *centrality]], "seed": 1},
        ),
    }


class Files(list):
    """What Snakemake gives a script: files by their position and by their name."""

    def __init__(self, folder: Path, files: dict | list):
        def placed(file: str | list) -> str | list:
            return [placed(one) for one in file] if isinstance(file, list) else str(folder / file)

        named = files if isinstance(files, dict) else {}
        super().__init__(placed(file) for file in (named.values() if named else files))
        self.__dict__.update((name, placed(file)) for name, file in named.items())

    def __getitem__(self, key):
        return self.__dict__[key] if isinstance(key, str) else super().__getitem__(key)


def run_script(name: str, files: dict | list, output: dict | list, params: dict, folder: Path):
    """Run the script of a rule in this process."""
    log = folder / f"{name}.log"
    job = SimpleNamespace(
        input=Files(folder, files),
        output=Files(folder, output),
        params=SimpleNamespace(**params),
        log=[str(log)],
        threads=1,
    )
    [script] = SCRIPTS.glob(f"*/{name}.py")
    sys.path.insert(0, str(SCRIPTS))
    try:
        runpy.run_path(str(script), {"snakemake": job})
    except SystemExit:
        raise RuntimeError(log.read_text()) from None


def described(folder: Path) -> dict[str, float]:
    """Return the size of the networks that were gathered."""
    degree = read_table(folder / "degree.tsv")
    edges = pd.read_parquet(folder / "edges.parquet", columns=["gene1", "gene2"])
    return {
        "graph_genes": len(degree),
        "bin_edges": len(pd.read_parquet(folder / "bin_edges.parquet", columns=["bin"])),
        "sample_edges": len(edges),
        "distinct_edges": len(edges.drop_duplicates()),
        **shared_edges(folder),
    }


def shared_edges(folder: Path, n_samples: int = 10) -> dict[str, float]:
    """Return the Jaccard index of two bins' edges, of one sample and of different ones, means."""
    table = pd.read_parquet(folder / "bin_edges.parquet")
    table = table[table["sample"].isin(table["sample"].unique()[:n_samples])]
    pairs = table["gene1"].astype(str) + " " + table["gene2"].astype(str)
    edges = pairs.groupby([table["sample"].astype(str), table["bin"]]).agg(set)
    found: dict[bool, list[float]] = {True: [], False: []}
    for (one, first), (other, second) in combinations(edges.items(), 2):
        found[one[0] == other[0]].append(len(first & second) / len(first | second))
    return {
        "shared_within_samples": round(float(np.mean(found[True])), 3),
        "shared_between_samples": round(float(np.mean(found[False])), 3),
    }


def main() -> None:
    """Simulate and measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[41, 200])
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--bins", type=int, default=4, help="of each sample")
    parser.add_argument(
        "--central-genes", default=100, help="as networks.central_genes: a number, or all"
    )
    parser.add_argument("--permutations", type=int, default=10_000)
    parser.add_argument("--gene-sets", help="a GMT file; simulated sets by default")
    parser.add_argument("--stages", nargs="+", help="only these; what they need must be in --keep")
    parser.add_argument("--keep", type=Path, help="a folder for all files, used again if there")
    options = parser.parse_args()
    top = options.central_genes if options.central_genes == "all" else int(options.central_genes)

    print(f"# {machine()}, one thread used")
    print("samples", "stage", "seconds", "cpu_seconds", "peak_mb", sep="\t", flush=True)
    for n_samples in options.samples:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.keep or Path(temporary)) / str(n_samples)
            if not (folder / "summary.h5ad").exists():
                folder.mkdir(parents=True)
                in_child(
                    simulate, folder, n_samples, options.genes, options.bins, options.gene_sets
                )
            for name, job in stages(folder, top, options.permutations).items():
                if options.stages and name not in options.stages:
                    continue
                found = measure(run_script, name, *job, folder)
                figures = (found.seconds, found.cpu_seconds, found.peak_mb)
                print(n_samples, name, *(f"{x:.0f}" for x in figures), sep="\t", flush=True)
                if name == "gather_networks":
                    print(f"# {json.dumps(described(folder))}", flush=True)


if __name__ == "__main__":
    main()
