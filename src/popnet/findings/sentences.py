"""What the page of findings says beside its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from popnet.associations.genes import HALVES, HALVES_OF_EXPRESSION, SPLITS, UNCHANGED
from popnet.names import NETWORKS
from popnet.networks.verdicts import IN_PART, MEASURABLE, VERDICTS, headline, verdict_of

NAMED = 10
# Hits by chance are called many above this many times what the false discovery rate allows.
MANY = 3
# The heading of the table of covariates.
COVARIATES = "How covariates are associated with the phenotypes"
OF_HALVES = (HALVES, HALVES_OF_EXPRESSION)
# What an edge of each network is, for a reader who knows none of the methods.
EDGES = {
    "shared": "how far the expression of two genes varies together over a sample's cells, as one "
    "siVAE explains it that was trained on cells of all samples",
    "sivae": "how far two genes go together over the cells of a bin, as a siVAE trained on that "
    "bin says",
    "correlation": "the plain correlation of the expression of two genes over a sample's cells",
    "components": "how far the expression of two genes varies together over a sample's cells, as "
    "principal components explain it that all samples share",
    "spearman": "the rank correlation of the expression of two genes over a sample's cells",
    "cs-core": "the correlation of the expression behind the counts of two genes, corrected for "
    "sequencing depth, over a sample's cells",
    "clr": "how far the mutual information of two genes, over a sample's cells, is above that of "
    "each with other genes",
    "mrnet": "the mutual information of two genes, over a sample's cells, that other genes do not "
    "already give",
    "aracne": "the mutual information of two genes over a sample's cells, without pairs that a "
    "third gene explains",
}


def remarks(findings: pd.DataFrame, excluded: pd.DataFrame, preset: str, fdr: float) -> list[str]:
    """Return how to read the findings, and which samples and bins are left out.

    Parameters
    ----------
    findings : DataFrame
        findings.tsv.
    excluded : DataFrame with columns cell_type, sample, reason
        excluded.tsv.
    preset : str
    fdr : float
    """
    no_bin = excluded[excluded["reason"].str.startswith("no bin")]
    untrained = excluded[excluded["reason"].str.contains(" did not train: ", regex=False)]
    return [
        f"Preset {preset}. A finding is significant at a false discovery rate of {fdr:.0%} within "
        "its row (connected components: by the family-wise P; mtDNA against wiring: within each "
        "analysis). A name in brackets is the best of a row without a significant finding.",
        what_chance_brings(findings, preset),
        "significant in study counts all questions of the study together: cell types, phenotypes, "
        "networks and analyses. A row is one family of tests; families are selected by family q, "
        "and the findings within them are held to a stricter level (Benjamini and Bogomolov). What "
        "is significant in its row alone is one of many rows that could have had a finding.",
        *(
            f"{cell_type}: samples that fill no bin and are left out: {len(rows)} "
            f"({', '.join(rows['sample'].head(NAMED))}{', …' if len(rows) > NAMED else ''})."
            for cell_type, rows in no_bin.groupby("cell_type", sort=False)
        ),
        *(
            f"{cell_type}: bins that did not train and are left out: {len(rows)}, see excluded.tsv."
            for cell_type, rows in untrained.groupby("cell_type", sort=False)
        ),
        "Mean expression or sequencing depth, where they are known, may explain why a gene's "
        "centrality is associated with the phenotype: see the column explained_by of its table.",
        "Expression and detection, where they have a row, are positive controls: the same tests on "
        "the same samples. A phenotype that moves neither may be too weak, or the samples too few, "
        "for networks as well; hits of networks beside none of these deserve a second look.",
        "Composition, where it has a row, is the share of cell states in each sample. A network of "
        "a mixture changes with the mix: what is explained by composition may be such a shift "
        "alone, without any new wiring.",
        "associations.tsv corrects the tests of centrality for all cell types and phenotypes at "
        "once.",
    ]


def beside_chance(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings as the page shows them: the hits, and in brackets those by chance.

    Parameters
    ----------
    findings : DataFrame
        findings.tsv.
    """
    chance = ["by_chance", "most_by_chance", "permuted_phenotypes"]
    shown = findings.drop(columns=[*chance, "family_p", "unexplained"])
    shown["significant"] = [
        f"{hits:,} ({mean:.3g} by chance)" if n else f"{hits:,}"
        for hits, mean, n in zip(
            findings["significant"], findings["by_chance"], findings[chance[-1]], strict=True
        )
    ]
    return shown


def what_chance_brings(findings: pd.DataFrame, preset: str) -> str:
    """Return how to read the hits by chance.

    Parameters
    ----------
    findings : DataFrame
        findings.tsv.
    preset : str
    """
    numbers = findings.loc[findings["permuted_phenotypes"] > 0, "permuted_phenotypes"]
    if numbers.empty:
        return (
            f"Hits by chance are not counted: with preset {preset} no test permutes the phenotype "
            "of observations, or there is nothing to permute."
        )
    n = f"{numbers.max()}"
    if numbers.min() < numbers.max():
        n = f"{numbers.min()} to {numbers.max()} (few observations have few permutations)"
    return (
        "In brackets behind the significant ones: how many the same test calls if the phenotype is "
        f"permuted, the mean of {n} permuted phenotypes. All that is called there is called by "
        "chance. findings.tsv also has the largest number (most_by_chance)."
    )


def no_better_than_chance(findings: pd.DataFrame, fdr: float) -> list[str]:
    """Return a warning for every row whose hits by chance are far more than `fdr` allows.

    A single permuted phenotype with many hits is no reason: tests depend on each other, so that
    hits by chance come rarely and many at once.

    Parameters
    ----------
    findings : DataFrame
        findings.tsv.
    fdr : float
    """
    total = findings["by_chance"] * findings["permuted_phenotypes"]
    many = findings["by_chance"] > MANY * fdr * findings["significant"]
    warned = many & (findings["significant"] > 0) & (total > findings["most_by_chance"])
    sentences = []
    groups = findings[warned].groupby(["phenotype", "cell_type"], sort=False)
    for (phenotype, cell_type), rows in groups:
        numbers = "; ".join(
            f"{row['analysis']}{_of_network(row['network'])}: {row['significant']:,}, by chance "
            f"{row['by_chance']:.3g} on average, at most {row['most_by_chance']:.0f}"
            for row in rows.to_dict("records")
        )
        sentences.append(
            f"{phenotype} in {cell_type}: more than {fdr:.0%} of these findings may be false, "
            f"because the same tests call many with permuted phenotypes. {numbers}."
        )
    return sentences


def _of_network(network: str) -> str:
    return f" ({network})" if network else ""


def network_sentences(
    cell_type: str, network: str, size: int, similarity: pd.DataFrame, reliability: pd.DataFrame
) -> list[str]:
    """Return what a network of a cell type is, and how much of it is reproducible.

    Parameters
    ----------
    cell_type : str
    network : str
        A key of `EDGES`, or the name of one of the user's own.
    size : int
        Cells per bin.
    similarity : DataFrame with columns kernel, within_samples, within_donors and so on
        map/<network>/reliability.tsv.
    reliability : DataFrame, with a column strength_icc where strengths were gathered
        networks/<network>/reliability.tsv.
    """
    of_kernel = similarity.set_index("kernel")
    has_edges = "edge_jaccard" in of_kernel.index
    jaccard = of_kernel.loc["edge_jaccard" if has_edges else "centrality"]
    strength = reliability.get("strength_icc", pd.Series(dtype=float)).median()
    edge = EDGES.get(network, f"that in the table of your own network {network}")
    first = (
        f"{cell_type}: the weight of an edge is {edge}; the strongest pairs are the network's "
        "edges."
    )
    if not has_edges:
        first = f"{cell_type}: {network} are values of genes from a table of your own."
    within = jaccard["within_samples"]
    if not pd.notna(within):
        remedy = "smaller bins" if network in EDGES else "networks by bin, in a column bin,"
        return [
            first,
            f"No sample of {cell_type} has two bins, so that how much of a network is reproducible "
            f"is unknown: {remedy} would show it.",
        ]
    kinds = ["within_donors", "within_batches", "between_batches"]
    pairs = jaccard[[f"n_{kind}" for kind in kinds]].fillna(0).to_numpy(float)
    between = float((jaccard[kinds].fillna(0).to_numpy(float) * pairs).sum() / pairs.sum())
    cells = f" of {size:,} cells" if network in EDGES else ""
    second = (
        f"Two bins{cells} of one sample share {within:.0%} of their edges, bins of two samples "
        f"{between:.0%}"
    )
    if not has_edges:
        second = (
            f"The rank correlation of two bins of one sample is {within:.2f}, of bins of two "
            f"samples {between:.2f}"
        )
    if pd.notna(strength):
        second += (
            "; of the differences between samples in a gene's strength, "
            f"{max(strength, 0):.0%} (median gene) would come back with other cells"
        )
    return [first, f"{second}."]


def depth_sentences(cell_type: str, depths: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return what making depth equal cost the samples of a cell type, and warnings of shallow ones.

    Parameters
    ----------
    cell_type : str
    depths : DataFrame with columns sample, matched_depth, share_kept, shallow
        depth.tsv of the cell type.
    """
    kept = depths.sort_values("share_kept", kind="stable")
    goal = depths.loc[~depths["shallow"], "matched_depth"].median()
    sentences = [
        f"{cell_type}: counts were thinned until all samples have the same sequencing depth, "
        f"{goal:,.0f} counts in the median cell. The median sample keeps "
        f"{kept['share_kept'].median():.0%} of its counts, from {kept['share_kept'].iloc[0]:.0%} "
        f"({kept['sample'].iloc[0]}) to {kept['share_kept'].iloc[-1]:.0%}."
    ]
    shallow = depths.loc[depths["shallow"], "sample"]
    warnings = [
        f"{cell_type}: {len(shallow)} of {len(depths)} samples are shallow, with less than half of "
        f"the depth that the others were thinned to: {', '.join(shallow.head(NAMED))}"
        f"{', …' if len(shallow) > NAMED else ''}. Depth may explain how they differ, and no test "
        "is adjusted for it: leave them out (samples.exclude) and see whether the findings stay."
    ]
    return sentences, warnings * bool(len(shallow))


def own_sentences(networks: Iterable[str], has_cells: bool) -> list[str]:
    """Return how networks of the user's own are tested; nothing if there are none.

    Parameters
    ----------
    networks : iterable of str
        Their names.
    has_cells : bool
        Whether the study has cells.
    """
    names = ", ".join(networks)
    if not names:
        return []
    sentences = [
        f"Of your own: {names}. Pairs of genes are tested by their weights alone, without the "
        "plain correlation: they have the row of edges by the network, not the one of agreement."
    ]
    if not has_cells:
        sentences.append(
            "The study has no cells. So tests are not adjusted for sequencing depth or the number "
            "of cells, and whether expression explains a hit is unknown: explained_by says so. If "
            "you know depth, name it as a covariate."
        )
    return sentences


def against_correlation(findings: pd.DataFrame, chosen: Mapping[str, str]) -> list[str]:
    """Return where the headline network finds more than plain correlation, and where it does not.

    Parameters
    ----------
    findings : DataFrame with columns phenotype, cell_type, network, analysis, unexplained
        findings.tsv. What something else explains does not count.
    chosen : mapping of cell type to str
        The headline network.

    Returns
    -------
    list of str
        A sentence per phenotype and cell type that both networks are tested in.
    """
    sentences = []
    about = ["phenotype", "cell_type"]
    for (phenotype, cell_type), rows in findings.groupby(about, sort=False):
        headline = chosen.get(str(cell_type))
        if headline == "correlation":
            continue
        hits = rows.pivot_table(
            index="analysis", columns="network", values="unexplained", sort=False
        )
        if not {headline, "correlation"} <= set(hits.columns):
            continue
        hits = hits[[headline, "correlation"]].dropna().astype(int)
        own, plain = hits[headline], hits["correlation"]
        parts = [
            f"{what} in {_counted(hits[rows])}"
            for what, rows in (
                ("finds more", own > plain),
                ("finds less", own < plain),
                ("finds as much", (own == plain) & (own > 0)),
            )
            if rows.any()
        ]
        sentence = "; it ".join(parts) or "finds as little, which is nothing, in all analyses"
        sentences.append(
            f"{phenotype} in {cell_type}: beside plain correlation, {headline} {sentence}."
        )
    return sentences


def _counted(hits: pd.DataFrame) -> str:
    """Return analyses with the hits of two networks, in words."""
    return ", ".join(
        f"{analysis} ({own} against {plain})" for analysis, own, plain in hits.itertuples()
    )


def headline_sentence(cell_type: str, measures: pd.DataFrame, networks: Sequence[str]) -> str:
    """Return which network findings of a cell type begin with and figures show, and why.

    Parameters
    ----------
    cell_type : str
    measures : DataFrame
        measures.tsv.
    networks : sequence of str
        In the order of the config.
    """
    chosen = headline(measures, networks)
    verdict = verdict_of(measures, chosen)
    why = "no network is known to be measurable, and it is the first of the config"
    if verdict == MEASURABLE:
        why = "it is the first whose gene strengths are measurable"
    elif verdict == IN_PART:
        why = "no gene strengths are fully measurable, and it is the first where they are in part"
    words = NETWORKS.get(chosen, chosen)
    return (
        f"{cell_type}: findings begin with {words}, which the figures show: {why}. "
        "This was decided blind to phenotypes."
    )


def measured(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what can be measured of all cell types, measure by measure, as its page shows it.

    Parameters
    ----------
    tables : mapping of cell type to DataFrame
        measures.tsv.
    """
    table = pd.concat(
        [one.assign(cell_type=cell_type) for cell_type, one in tables.items()], ignore_index=True
    )
    quartiles = [
        "" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
        for low, high in zip(table["lower_quartile"], table["upper_quartile"], strict=True)
    ]
    return pd.DataFrame(
        {
            "cell type": table["cell_type"],
            "network": table["network"],
            "measure": table["measure"],
            "is it measurable?": table["sentence"],
            "ICC of a sample, median gene": table["icc_sample"],
            "quartiles": quartiles,
            "ICC of a bin": table["icc_bin"],
            "given": table["adjusted_for"].fillna("").str.replace(";", ", "),
            "AUROC of bins": table["auroc"],
            "P": table["p"],
            "bins that find their sample": table["fingerprint"],
            "by chance": table["chance"],
            "other seed": table["other_seed"],
        }
    )


def verdicts(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return which measures of each network have which verdict: the table of the findings.

    Parameters
    ----------
    tables : mapping of cell type to DataFrame
        measures.tsv.
    """
    rows = []
    for cell_type, table in tables.items():
        for network, own in table[table["network"] != ""].groupby("network", sort=False):
            row = {"cell type": cell_type, "network": network}
            row["cells per sample"] = own["cells_per_sample"].iloc[0]
            for verdict in VERDICTS:
                row[verdict] = ", ".join(own["measure"][own["verdict"] == verdict])
            rows.append(row)
    return pd.DataFrame(rows)


def unused_dimensions(cell_type: str, active: Mapping[str, float], latent: int) -> list[str]:
    """Return a warning for every model of which most latent dimensions are switched off.

    Parameters
    ----------
    cell_type : str
    active : mapping of model to float
        Latent dimensions that the scores use.
    latent : int
        All of them.
    """
    return [
        f"{cell_type}: {model} uses {n:.0f} of {latent} latent dimensions; the others are switched "
        "off, and with them new wiring of few cells or genes. Lower sivae.kl."
        for model, n in active.items()
        if n < latent / 2
    ]


def mixed_precision(cell_type: str, models: Mapping[str, int]) -> list[str]:
    """Return a warning where models of bins were trained in more than one precision.

    Parameters
    ----------
    cell_type : str
    models : mapping of precision to int
        Number of models.
    """
    if len(models) < 2:
        return []
    counts = " and ".join(f"{n:,} in {precision}" for precision, n in models.items())
    return [
        f"{cell_type}: models of bins were trained on nodes of different hardware, {counts}. If "
        "the samples of one group ran on one kind of node, this may look like a finding: set "
        "sivae.precision: float32 and train again (--forcerun train_sivae)."
    ]


def compared(
    designs: Iterable[tuple[str, str, str, pd.DataFrame, pd.DataFrame]], chosen: Mapping[str, str]
) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
    """Return warnings, what every test of centrality compares, and the covariates.

    Parameters
    ----------
    designs : iterable of (cell type, network, phenotype, design, covariates)
        The tables design.tsv (item, value) and covariates.tsv of every phenotype.
    chosen : mapping of cell type to str
        The headline network, of which this is said.

    Returns
    -------
    list of str
        The designs' warnings, as sentences.
    DataFrame
        One row per phenotype and cell type, with a column per item of the designs.
    DataFrame
        The tables of covariates, one below the other.
    """
    warnings, described, covariates = [], [], []
    for cell_type, network, phenotype, design, of_design in designs:
        if network != chosen[cell_type]:
            continue
        warned = design["item"] == "warning"
        warnings += [f"{phenotype} in {cell_type}: {text}." for text in design.loc[warned, "value"]]
        about = {"phenotype": phenotype, "cell type": cell_type}
        items = design[~warned & ~design["item"].isin([*OF_HALVES, UNCHANGED])]
        described.append(about | items.set_index("item")["value"].to_dict())
        covariates.append(pd.DataFrame(about, of_design.index).join(of_design))
    return warnings, pd.DataFrame(described).fillna(""), pd.concat(covariates, ignore_index=True)


def in_other_donors(
    designs: Iterable[tuple[str, str, str, pd.DataFrame, pd.DataFrame]],
) -> list[str]:
    """Return for every phenotype and cell type how far effects agree in halves of the donors.

    Parameters
    ----------
    designs : iterable of (cell type, network, phenotype, design, covariates)
        As in :func:`compared`; nothing is said of designs without the items.
    """
    parts: dict[tuple[str, str], list[str]] = {}
    for cell_type, network, phenotype, design, _ in designs:
        items = design.set_index("item")["value"]
        own = parts.setdefault((phenotype, cell_type), [])
        if HALVES in items:
            own.append(f"degree centrality ({network}) {items[HALVES]}")
        # The same of all networks.
        if HALVES_OF_EXPRESSION in items and not any("expression" in part for part in own):
            own.insert(0, f"mean expression {items[HALVES_OF_EXPRESSION]}")
    return [
        f"{phenotype} in {cell_type}: would effects come back in other donors? Correlation over "
        f"genes of the effects in two halves of the donors, mean of {SPLITS} divisions: "
        f"{'; '.join(own)}."
        for (phenotype, cell_type), own in parts.items()
        if own
    ]


def equivalence(
    designs: Iterable[tuple[str, str, str, pd.DataFrame, pd.DataFrame]],
) -> list[str]:
    """Return for every phenotype with a margin, cell type and network how many genes are unchanged.

    Parameters
    ----------
    designs : iterable of (cell type, network, phenotype, design, covariates)
        As in :func:`compared`; nothing is said of designs without the item.
    """
    return [
        f"{phenotype} in {cell_type}: by degree centrality ({network}) {value}. Of the others this "
        "is not known: no hit is no proof that nothing changes."
        for cell_type, network, phenotype, design, _ in designs
        for value in design.loc[design["item"] == UNCHANGED, "value"]
    ]


def beside_designs(
    designs: Sequence[tuple[str, str, str, pd.DataFrame, pd.DataFrame]],
) -> list[str]:
    """Return what designs say beside what was compared: of other donors, and of equivalence."""
    return [*in_other_donors(designs), *equivalence(designs)]
