# What a terminal shows of a run: how far it is, and at the end what was found.
from collections import Counter

# Rules whose logs say how far a training is.
TRAINING = ("train_sivae", "train_shared", "train_again", "tune_sivae")


def models_of(name, wildcards):
    """Return how many models of bins a job trains; None of rules that train nothing."""
    if name != "train_sivae":
        return 0 if name in TRAINING else None
    return len(job_bins(SimpleNamespace(**wildcards))) * config["training"]["seeds"]


def unfinished(finished):
    """Return the number of jobs to do of each name, without the finished ids, and of their models."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.jobid not in finished]
    n_models = sum(models_of(job.rule.name, job.wildcards_dict) or 0 for job in jobs)
    return Counter(job.rule.name for job in jobs), n_models


def show_progress():
    """Let one line stand for Snakemake's messages on a run; return it, or None where it may not.

    Whoever asks Snakemake for more or less, or has a logger of their own, gets that. Modules and
    jobs show nothing.
    """
    asked = workflow.output_settings
    own = asked.verbose or asked.printshellcmds or asked.debug_dag or asked.dryrun
    own = own or {"rules", "progress", "all"} & {str(one) for one in asked.quiet or ()}
    handlers = [one for one in logger.handlers if one.name == "DefaultStreamHandler"]
    if own or not handlers or not (workflow.is_main_process and is_main()):
        return None
    from popnet.report.progress import Progress
    from terminal import Terminal

    progress = Progress(handlers[0].stream)
    handlers[0].addFilter(Terminal(progress, unfinished, models_of))
    return progress


def is_main():
    """Return whether this is the workflow that was started, and no module of another."""
    return workflow.modifier.is_main_snakefile()


def say_what_was_found():
    """Write what a finished study found, and where it is; a study does not fail by it."""
    from popnet.report.in_short import in_short
    from popnet.report.results import Results

    paths = [Path(path) for path in in_place(shown_files(None))]
    if not all(path.exists() for path in paths):
        return
    files = frozenset(str(path.relative_to(RESULTS)) for path in paths)
    try:
        found = in_short(Results(Path(RESULTS), files, shown_study()))
    except Exception as error:
        found = [f"What was found cannot be said in short: {error}"]
    logger.warning("\n".join([*found, f"The page of it: {RESULTS}/report.html"]))
