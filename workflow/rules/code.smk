# Results follow the code that made them.
from functools import lru_cache, partial

from popnet import provenance


def follow_code():
    """Let every rule above follow the code that its script reaches, by a digest of it."""
    for each in workflow.rules:
        of_ours = each.script and str(each.basedir) == str(RULES)
        # Another workflow may take this one as a module twice.
        if of_ours and "code" not in each.params.keys():
            script = CLONE / "workflow" / each.script.removeprefix("../")
            each.set_params(code=partial(code_behind, script))


def code_behind(script, wildcards):
    """Return a digest of the code of a script, made for the jobs that are planned."""
    return digest_of(script)


@lru_cache(maxsize=None)
def digest_of(script):
    """Return a digest of the code of a script, the same for all jobs of a run."""
    return provenance.code_hash(script)
