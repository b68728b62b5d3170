"""Names of files, for identifiers that may be any text, and of networks."""

from __future__ import annotations

import re
from hashlib import sha256

# Names that the results tree uses beside cell types.
RESERVED = {"variants", "figures", "logs", "benchmarks", "simulated", "training", "comparisons"}
RESERVED |= {"associations", "study", "replication"}
# What reports call the networks of the study.
NETWORKS = {
    "shared": "one siVAE for the cohort",
    "sivae": "a siVAE per bin",
    "correlation": "plain correlation",
    "components": "shared principal components",
    "spearman": "Spearman's correlation",
    "cs-core": "CS-CORE",
    "clr": "CLR",
    "mrnet": "MRNET",
    "aracne": "ARACNE",
}


def safe_name(text: str) -> str:
    """Return a form of `text` that is safe as a file name, a wildcard and a shell word.

    Text of letters, digits, ``_``, ``-`` and inner ``.`` stays as it is; anything else is
    replaced by ``_`` and the first ten hexadecimal digits of its SHA-256 are added, so that
    two identifiers never share a file. The form depends on the text alone: a sample keeps its
    files when others join the cohort.
    """
    plain = re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-])?", text)
    if plain and text.lower() not in RESERVED:
        return text
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:48]
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest
