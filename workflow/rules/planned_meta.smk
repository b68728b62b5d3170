# What a meta-analysis of finished studies consists of.
META = f"results/meta/{safe_name(config['meta']['name'])}"


@lru_cache(maxsize=1)
def finished_studies():
    """Return the studies that are combined, once they are found comparable."""
    from popnet.checks.meta import check_studies, read_studies

    try:
        studies = read_studies(config["meta"]["studies"])
    except InputError as error:
        sys.exit(str(error))
    problems = check_studies(studies)
    if any(problem.severity == "error" for problem in problems):
        sys.exit(describe(problems))
    if problems and workflow.is_main_process:
        logger.warning(describe(problems))
    return studies


def tested_in_several():
    """Return [cell type, phenotype, network] by file names, and the studies that have tests of it."""
    having = {}
    for study in finished_studies():
        for tested in study.tested():
            having.setdefault(tested, []).append(study)
    order = [*NETWORK_NAMES, *sorted({network for *_, network in having})]
    several = [tested for tested, studies in having.items() if len(studies) > 1]
    several.sort(key=lambda tested: (*tested[:2], order.index(tested[2])))
    return {tested: having[tested] for tested in several}


def combined_tests(wildcards):
    """Return network, study (names), and the files of its tests, of a cell type and phenotype."""
    rows = []
    for (cell_type, phenotype, network), studies in tested_in_several().items():
        if (cell_type, phenotype) != (wildcards.cell_type, wildcards.phenotype):
            continue
        for study in studies:
            folder = f"{study.folder}/{cell_type}/associations/{phenotype}"
            resolved = f"{study.folder}/study/phenotypes/{phenotype}.tsv"
            rows.append(
                [
                    *(network, study.name, f"{folder}/{network}/centrality.tsv"),
                    *(f"{folder}/{network}/design.npz", resolved),
                ]
            )
            of_expression = [f"{folder}/expression.tsv", f"{folder}/expression/design.npz"]
            row = ["expression", study.name, *of_expression, resolved]
            if row not in rows and all(Path(path).exists() for path in of_expression):
                rows.append(row)
    return rows


def meta_names(cell_type, phenotype):
    """Return the identifiers of a cell type and a phenotype, given how files are named."""
    names = [name for study in finished_studies() for name in study.record["bins"]]
    *_, resolved = combined_tests(SimpleNamespace(cell_type=cell_type, phenotype=phenotype))[0]
    with open(resolved, newline="", encoding="utf-8") as file:
        header = next(csv.reader(file, delimiter="\t"))
    # Behind sample, donor and batch; of an interaction both its variables.
    known = [header[3], ":".join(header[3:5])]
    return [
        next(name for name in names if safe_name(name) == cell_type),
        next(name for name in known if safe_name(name) == phenotype),
    ]


def last_changes(rows):
    """Return when each file was last changed, so that what is newer is combined again."""
    return [Path(path).stat().st_mtime_ns for row in rows for path in row[2:]]


def combined():
    """Return the cell types and phenotypes that several studies have, by file names."""
    return list(dict.fromkeys(tested[:2] for tested in tested_in_several()))


def meta_results(wildcards):
    """Return what `snakemake meta` makes."""
    if not combined():
        raise WorkflowError(
            "The studies of meta.studies have no cell type with the same phenotype and network"
        )
    figures = [f"{META}/figures/{cell_type}/{phenotype}.png" for cell_type, phenotype in combined()]
    return [f"{META}/meta.tsv", *figures]


def meta_tables(wildcards):
    """Return the tables of all cell types and phenotypes."""
    return [f"{META}/{cell_type}/{phenotype}.tsv" for cell_type, phenotype in combined()]
