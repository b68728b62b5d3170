"""Seeds that depend on what they are for, and on nothing else."""

from __future__ import annotations

import json
from hashlib import sha256


def derive_seed(*parts: object) -> int:
    """Return a seed of 63 bits from the text of `parts`: the same on every machine and run.

    Seeds of different parts are independent, so that a sample's bins or a bin's model do not
    change when others join the cohort.
    """
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 1
