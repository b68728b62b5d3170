"""Whether VCFs, tables of samples and sheets that were changed on their way are read or refused.

    python benchmarks/fuzz_tables.py --mutants 3000

Every mutant is a small valid input with one to three changes that a reader can notice: names in
another case or with blanks, rows and columns in another order with their names, missing codes,
encodings, separators, lines of the header or FORMAT fields left out. It must be read to the same
numbers, or refused in a sentence. Prints a tab-separated table, and what went wrong with the change
that did it.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measuring  # noqa: F401  (first: it keeps libraries on one thread)

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from popnet.checks.config import check_config
from popnet.checks.study import read_study
from popnet.checks.variants import check_variants
from popnet.errors import InputError, Problem
from popnet.genotypes.reading import read_genotypes
from popnet.study.cohort import load_cohort

Rng = np.random.Generator
SAME, REFUSED, CHANGED, FAILED = "same numbers", "refused", "other numbers", "traceback"
MASK = [(302, 316)]

# --- VCFs ---

FIELDS = {
    "GT": "Number=1,Type=String",
    "AD": "Number=R,Type=Integer",
    "DP": "Number=1,Type=Integer",
    "AF": "Number=A,Type=Float",
}
COLUMNS = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
PEOPLE = ["Anna", "bo-2", "C 3", "d4", "e5", "f6"]
HETEROPLASMIC = {"Anna": 0.3, "d4": 0.02}


class Vcf:
    """A VCF in parts: header lines, the samples, and rows of eight fields and calls by field."""

    def __init__(self) -> None:
        self.header = [
            "##fileformat=VCFv4.2",
            "##source=fuzz",
            '##FILTER=<ID=q10,Description="x">',
            "##contig=<ID=1,length=248956422>",
            "##contig=<ID=MT,length=16569>",
            *(f'##FORMAT=<ID={name},{of},Description="x">' for name, of in FIELDS.items()),
        ]
        self.samples = list(PEOPLE)
        self.rows: list[tuple[list[str], dict[str, list[str]]]] = []
        rng = np.random.default_rng(0)
        for place in (73, 150, 310, 750, 8701, 16390):
            calls: dict[str, list[str]] = {name: [] for name in FIELDS}
            for sample in PEOPLE:
                carrier = rng.random() < 0.5
                share = HETEROPLASMIC.get(sample, 1.0) if carrier else 0.0
                reads = round(200 * share)
                missing = rng.random() < 0.1
                calls["GT"].append("./." if missing else "0/1" if share >= 0.05 else "0/0")
                calls["AD"].append(f"{200 - reads},{reads}")
                calls["DP"].append("200")
                calls["AF"].append(f"{share:.3f}")
            self.rows.append((["MT", str(place), ".", "A", "G", ".", "PASS", "."], calls))
        calls = {
            "GT": ["1/2", "0/1", "0/2", "0/0", "0/0", "0/1"],
            "AD": ["0,120,80", "0,200,0", "0,0,200", "200,0,0", "200,0,0", "100,100,0"],
            "DP": ["200"] * 6,
            "AF": ["0.6,0.4", "1,0", "0,1", "0,0", "0,0", "0.5,0"],
        }
        self.rows.append((["MT", "9000", ".", "C", "T,A", ".", "PASS", "."], calls))
        self.rows.append((["1", "100", ".", "C", "T", ".", "PASS", "."], dict(self.rows[0][1])))
        self.end, self._encoding, self._separator, self.tail = "\n", "utf-8", "\t", ""

    def write(self, folder: Path) -> Path:
        """Write it into a folder, and return its path."""
        lines = [*self.header, self._separator.join([*COLUMNS, *self.samples])]
        for fixed, calls in self.rows:
            cells = (":".join(call) for call in zip(*calls.values(), strict=True))
            lines.append(self._separator.join([*fixed, ":".join(calls), *cells]))
        path = folder / "all.vcf"
        text = self.end.join(lines) + self.end + self.tail
        path.write_bytes(text.encode(self._encoding, errors="replace"))
        return path


def _drop_header(vcf: Vcf, rng: Rng) -> None:
    del vcf.header[rng.integers(len(vcf.header))]


def _drop_field(vcf: Vcf, rng: Rng) -> None:
    """Leave a field out; DP and AD alone say less than GT and AF do together."""
    name = rng.choice([name for name in ("GT", "AD", "AF") if name in vcf.rows[0][1]] or ["DP"])
    for _, calls in vcf.rows:
        calls.pop(name, None)
        if not calls:
            calls["DP"] = ["200"] * len(vcf.samples)


def _order_fields(vcf: Vcf, rng: Rng) -> None:
    for fixed, calls in vcf.rows:
        names = ["GT", *rng.permutation([name for name in calls if name != "GT"])]
        found = {name: calls[name] for name in names if name in calls}
        calls.clear()
        calls.update(found)
        assert len(fixed) == 8


def _order_rows(vcf: Vcf, rng: Rng) -> None:
    vcf.rows = [vcf.rows[place] for place in rng.permutation(len(vcf.rows))]


def _order_samples(vcf: Vcf, rng: Rng) -> None:
    places = rng.permutation(len(vcf.samples))
    vcf.samples = [vcf.samples[place] for place in places]
    for _, calls in vcf.rows:
        for name, values in calls.items():
            calls[name] = [values[place] for place in places]


def _rename_contig(vcf: Vcf, rng: Rng) -> None:
    new = str(rng.choice(["chrM", "M", "mt", "CHRMT", "26", "NC_012920.1", "J01415.2"]))
    declared = any("length=16569" in line for line in vcf.header)
    new = new if declared or new != "J01415.2" else "chrM"
    vcf.header = [re.sub(r"ID=[^,]+,length=16569", f"ID={new},length=16569", x) for x in vcf.header]
    for fixed, _ in vcf.rows:
        fixed[0] = new if fixed[0] != "1" else "1"


def _split_alleles(vcf: Vcf, rng: Rng) -> None:
    rows = []
    for fixed, calls in vcf.rows:
        alts = fixed[4].split(",")
        if len(alts) == 1:
            rows.append((fixed, calls))
            continue
        for number, alt in enumerate(alts, 1):
            part: dict[str, list[str]] = {}
            for name, values in calls.items():
                if name == "GT":
                    digit = str(number)
                    part[name] = [
                        re.sub(r"\d", lambda m, digit=digit: str(int(m[0] == digit)), value)
                        for value in values
                    ]
                elif name == "AD":
                    counts = [value.split(",") for value in values]
                    part[name] = [f"{of[0]},{of[number]}" if of[1:] else "." for of in counts]
                elif name == "AF":
                    part[name] = [x if x == "." else x.split(",")[number - 1] for x in values]
                else:
                    part[name] = list(values)
            rows.append(([*fixed[:4], alt, *fixed[5:]], part))
    vcf.rows = rows


def _pad_alleles(vcf: Vcf, rng: Rng) -> None:
    fixed = vcf.rows[rng.integers(len(vcf.rows))][0]
    fixed[3] += "C"
    fixed[4] = ",".join(alt + "C" for alt in fixed[4].split(","))


def _lower_alleles(vcf: Vcf, rng: Rng) -> None:
    for fixed, _ in vcf.rows:
        fixed[3], fixed[4] = fixed[3].lower(), fixed[4].lower()


def _write_genotypes_otherwise(vcf: Vcf, rng: Rng) -> None:
    old, new = ((("./.", "."),), (("/", "|"),), (("1/1", "1"), ("0/0", "0")))[rng.integers(3)][0]
    for _, calls in vcf.rows:
        if "GT" in calls:
            calls["GT"] = [value.replace(old, new) for value in calls["GT"]]


def _repeat_a_row(vcf: Vcf, rng: Rng) -> None:
    fixed, calls = vcf.rows[rng.integers(len(vcf.rows))]
    vcf.rows.append((list(fixed), {name: list(values) for name, values in calls.items()}))


def _missing_reads(vcf: Vcf, rng: Rng) -> None:
    _, calls = vcf.rows[rng.integers(len(vcf.rows))]
    name = "AD" if "AF" in calls and rng.random() < 0.5 else "AF"
    if name in calls and ("AD" in calls and "AF" in calls):
        calls[name][rng.integers(len(vcf.samples))] = "."


def _percentages(vcf: Vcf, rng: Rng) -> None:
    sign = "%" if rng.random() < 0.5 else ""
    for _, calls in vcf.rows:
        if "AF" in calls:
            calls["AF"] = [
                ",".join(f"{100 * float(x):g}{sign}" if x != "." else x for x in value.split(","))
                for value in calls["AF"]
            ]


def _rename_sample(vcf: Vcf, rng: Rng) -> None:
    place = int(rng.integers(len(vcf.samples)))
    name = vcf.samples[place]
    vcf.samples[place] = [name.swapcase(), f" {name}", f"{name} ", name + "\u00a0"][rng.integers(4)]


def _repeat_sample(vcf: Vcf, rng: Rng) -> None:
    vcf.samples[0] = vcf.samples[1]


def _write_vcf_otherwise(vcf: Vcf, rng: Rng) -> None:
    match rng.integers(6):
        case 0:
            vcf.end = "\r\n"
        case 1:
            vcf.header[0] = "\ufeff" + vcf.header[0]
        case 2:
            vcf._separator = " "
        case 3:
            vcf._encoding = "utf-16"
        case 4:
            vcf.tail = "\n"
        case _:
            vcf.header.insert(1, "##lab=M\u00fcnchen")
            vcf._encoding = "latin-1"


VCF_CHANGES = [
    *(_drop_header, _drop_field, _order_fields, _order_rows, _order_samples, _rename_contig),
    *(_split_alleles, _pad_alleles, _lower_alleles, _write_genotypes_otherwise, _repeat_a_row),
    *(_missing_reads, _percentages, _rename_sample, _repeat_sample, _write_vcf_otherwise),
]


def read_vcf(path: Path) -> dict[str, Any]:
    """Return who carries what, and shares of reads to two digits, as a study would have them."""
    sheet = SimpleNamespace(path=str(path), contig="MT", samples={}, absent=None, min_depth=10)
    of = [SimpleNamespace(id=name, vcf=None, donor=name) for name in PEOPLE]
    cohort = SimpleNamespace(file="sheet.yaml", variants=sheet, samples=of)
    problems = [one for one in check_variants(cohort, PEOPLE) if one.severity == "error"]
    if problems:
        raise InputError(problems)
    vcfs = {name: (str(path), name) for name in PEOPLE}
    found = read_genotypes(vcfs, absent="missing", mask=MASK, min_depth=10)
    carriers = np.where(np.isnan(found.dosage), np.nan, found.dosage >= 1)
    columns = zip(found.variants.index, carriers.T, found.fraction.T, strict=True)
    return {name: (list(carrier), list(share)) for name, carrier, share in columns}


def same_genotypes(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether carriers agree, and shares of reads where both are known."""
    if one.keys() != other.keys():
        return False
    for name, (carrier, share) in one.items():
        found, shares = other[name]
        known = np.isfinite(share) & np.isfinite(shares)
        if not np.array_equal(carrier, found, equal_nan=True):
            return False
        if not np.allclose(np.array(share)[known], np.array(shares)[known], atol=0.006):
            return False
    return True


# --- Tables of samples, and sheets ---

HEADER = ["line", "person", "pool", "age", "status", "sex", "bmi"]
SHEET = """\
name: fuzz
cells:
  path: cells.h5ad
  sample: sample
  cell_type: type
samples:
  table: table.csv
  id: line
  donor: person
  batch: pool
phenotypes:
  age:
    type: continuous
  status:
    type: binary
    case: sick
    control: well
covariates:
  sex: categorical
  bmi: numeric
"""


class Table:
    """A table in parts, and the sheet that names it."""

    def __init__(self) -> None:
        self.header = list(HEADER)
        donors = ["Anna", "Jos\u00e9", "Carl", "dora", "Eve", "Fay"]
        self.rows = [
            [
                ("L-1", "1-2", "7", "l4")[n] if n < 4 else f"s{n}",
                donors[n // 2],
                "pA" if n < 6 else "pB",
                str(20 + 3 * n),
                "sick" if n % 2 else "well",
                "F" if n // 2 % 2 else "M",
                f"{21 + 0.7 * n:.1f}",
            ]
            for n in range(12)
        ]
        self.sheet = SHEET
        self.before, self.delimiter, self.end, self._encoding = "", ",", "\n", "utf-8"
        self.sheet_encoding, self.quote = "utf-8", csv.QUOTE_MINIMAL

    def write(self, folder: Path) -> Path:
        """Write table and sheet into a folder, and return the path of the sheet."""
        text = io.StringIO()
        writer = csv.writer(
            text, delimiter=self.delimiter, lineterminator=self.end, quoting=self.quote
        )
        writer.writerows([self.header, *self.rows] if self.header else self.rows)
        table = (self.before + text.getvalue()).encode(self._encoding, errors="replace")
        (folder / "table.csv").write_bytes(table)
        path = folder / "sheet.yaml"
        path.write_bytes(self.sheet.encode(self.sheet_encoding, errors="replace"))
        return path


def write_cells(folder: Path) -> None:
    """Write the cells of the samples, twelve of each."""
    names = [row[0] for row in Table().rows for _ in range(12)]
    obs = pd.DataFrame({"sample": names, "type": "T"}, index=[f"c{n}" for n in range(len(names))])
    genes = [*(f"G{n}" for n in range(18)), "MT-ND1", "MT-CO1"]
    counts = np.random.default_rng(0).poisson(2, (len(names), len(genes)))
    cells = anndata.AnnData(sparse.csr_matrix(counts, dtype="f4"), obs=obs)
    cells.var_names = genes
    cells.write_h5ad(folder / "cells.h5ad")


def _order_table(table: Table, rng: Rng) -> None:
    if rng.random() < 0.5:
        table.rows = [table.rows[place] for place in rng.permutation(len(table.rows))]
    elif table.header:
        places = rng.permutation(len(table.header))
        table.header = [table.header[place] for place in places]
        table.rows = [[row[place] for place in places if place < len(row)] for row in table.rows]


def _separator(table: Table, rng: Rng) -> None:
    table.delimiter = [";", "\t", "|", " "][rng.integers(4)]
    if rng.random() < 0.3:
        table.before = f"sep={table.delimiter}{table.end}"


def _separator_line(table: Table, rng: Rng) -> None:
    table.before = f"sep={table.delimiter}{table.end}"


def _encoding(table: Table, rng: Rng) -> None:
    match rng.integers(5):
        case 0:
            table._encoding = "latin-1"
        case 1:
            table._encoding = "utf-16"
        case 2:
            table._encoding = "utf-8-sig"
        case 3:
            table.end = str(rng.choice(["\r\n", "\r"]))
        case _:
            table.quote = csv.QUOTE_ALL


def _blank_rows(table: Table, rng: Rng) -> None:
    width = int(rng.integers(0, 9))
    for _ in range(rng.integers(1, 4)):
        table.rows.insert(int(rng.integers(len(table.rows) + 1)), [""] * width)


def _blank_columns(table: Table, rng: Rng) -> None:
    n = int(rng.integers(1, 4))
    table.header += [""] * n
    table.rows = [row + [""] * n for row in table.rows]


def _rename_column(table: Table, rng: Rng) -> None:
    if table.header:
        place = int(rng.integers(len(table.header)))
        name = table.header[place]
        forms = [name.upper(), f" {name}", f"{name} ", name.title(), ""]
        table.header[place] = forms[rng.integers(len(forms))]


def _no_header(table: Table, rng: Rng) -> None:
    table.header = []


def _cell(table: Table, rng: Rng, columns: tuple[str, ...] = tuple(HEADER)) -> tuple[int, int]:
    """Return the row and the column of a random value."""
    wanted = str(rng.choice(list(columns)))
    filled = [place for place, row in enumerate(table.rows) if any(row)]
    column = table.header.index(wanted) if wanted in table.header else HEADER.index(wanted)
    row = int(rng.choice(filled))
    return row, min(column, len(table.rows[row]) - 1)


def _missing_code(table: Table, rng: Rng) -> None:
    row, column = _cell(table, rng)
    codes = ["", "NA", "N/A", "#N/A", "NaN", "nan", "None", "null", "<NA>", " "]
    table.rows[row][column] = codes[rng.integers(len(codes))]


def _other_case(table: Table, rng: Rng) -> None:
    row, column = _cell(table, rng)
    table.rows[row][column] = table.rows[row][column].swapcase()


def _blanks_around(table: Table, rng: Rng) -> None:
    row, column = _cell(table, rng)
    table.rows[row][column] = f" {table.rows[row][column]} "[rng.integers(2) :]


def _invisible(table: Table, rng: Rng) -> None:
    row, column = _cell(table, rng)
    table.rows[row][column] += str(rng.choice(["\u200b", "\u00a0", "\ufeff", "\u00ad"]))


def _decimal_comma(table: Table, rng: Rng) -> None:
    for row in table.rows:
        if len(row) > 6:
            row[-1] = row[-1].replace(".", ",")


def _number_otherwise(table: Table, rng: Rng) -> None:
    row, column = _cell(table, rng, ("age", "bmi"))
    text = table.rows[row][column]
    table.rows[row][column] = [f"{text}e0", f"+{text}", f"{text}0" if "." in text else f"{text}.0"][
        rng.integers(3)
    ]


def _no_number(table: Table, rng: Rng) -> None:
    row, column = _cell(table, rng, ("age", "bmi"))
    texts = ["\u221220", "1,234", "20 y", "~20", ">20", "20-25", "20-Feb", "inf", "0x14", "1_0"]
    table.rows[row][column] = texts[rng.integers(len(texts))]


def _spreadsheet_dates(table: Table, rng: Rng) -> None:
    column = table.header.index("line") if "line" in table.header else 0
    for row in table.rows:
        if len(row) > column and row[column] == "1-2":
            row[column] = str(rng.choice(["1-Feb", "2-Jan", "Feb-01", "01/02/2024"]))


def _float_ids(table: Table, rng: Rng) -> None:
    column = table.header.index("line") if "line" in table.header else 0
    for row in table.rows:
        if len(row) > column and row[column] == "7":
            row[column] = str(rng.choice(["7.0", "07", "7e0"]))


def _repeat_table_row(table: Table, rng: Rng) -> None:
    table.rows.append(list(table.rows[rng.integers(len(table.rows))]))


def _repeat_column(table: Table, rng: Rng) -> None:
    if table.header:
        table.header.append(table.header[0])
        table.rows = [[*row, *row[:1]] for row in table.rows]


def _cut_row(table: Table, rng: Rng) -> None:
    row, _ = _cell(table, rng)
    del table.rows[row][-1]


TABLE_CHANGES = [
    *(
        _order_table,
        _separator,
        _separator_line,
        _encoding,
        _blank_rows,
        _blank_columns,
        _rename_column,
    ),
    *(_no_header, _missing_code, _other_case, _blanks_around, _invisible, _decimal_comma),
    *(_number_otherwise, _no_number, _spreadsheet_dates, _float_ids, _repeat_table_row),
    *(_repeat_column, _cut_row),
]


def _key_in_other_letters(table: Table, rng: Rng) -> None:
    lines = table.sheet.splitlines()
    place = int(rng.choice([n for n, line in enumerate(lines) if ":" in line]))
    key, colon, rest = lines[place].partition(":")
    lines[place] = [
        key.upper(),
        f"{key}x",
        f"{key} ",
        f'{key[: -len(key.strip())]}"{key.strip()}"',
    ][rng.integers(4)] + (colon + rest)
    table.sheet = "\n".join(lines) + "\n"


def _value_in_other_letters(table: Table, rng: Rng) -> None:
    lines = table.sheet.splitlines()
    places = [n for n, line in enumerate(lines) if re.search(r": [A-Za-z]", line) and n > 0]
    place = int(rng.choice(places))
    key, colon, value = lines[place].partition(": ")
    forms = [value.upper(), value.title(), f"'{value}'", f'"{value} "', f"{value}  # x", "null"]
    if key.strip() in ("donor", "batch"):  # These need not be there.
        forms.pop()
    lines[place] = key + colon + forms[rng.integers(len(forms))]
    table.sheet = "\n".join(lines) + "\n"


def _repeat_key(table: Table, rng: Rng) -> None:
    line = str(rng.choice([line for line in table.sheet.splitlines() if line.startswith("  ")]))
    table.sheet = table.sheet.replace(line + "\n", f"{line}\n{line}\n", 1)


def _required_line(table: Table, rng: Rng) -> None:
    """Leave out a line without which the sheet does not say what it must."""
    needed = ["name: fuzz", "  path: cells.h5ad", "  table: table.csv", "  id: line"]
    needed += ["    type: continuous", "    type: binary", "    case: sick", "  sample: sample"]
    table.sheet = table.sheet.replace(str(rng.choice(needed)) + "\n", "", 1)


def _unknown_key(table: Table, rng: Rng) -> None:
    lines = table.sheet.splitlines()
    lines.insert(int(rng.integers(len(lines))), "  _unknown_key: 1")
    table.sheet = "\n".join(lines) + "\n"


def _order_sheet(table: Table, rng: Rng) -> None:
    parts = re.split(r"(?m)^(?=\S)", table.sheet)
    table.sheet = "".join(parts[place] for place in rng.permutation(len(parts)))


def _sheet_otherwise(table: Table, rng: Rng) -> None:
    match rng.integers(6):
        case 0:
            table.sheet = "\ufeff" + table.sheet
        case 1:
            table.sheet = table.sheet.replace("\n", "\r\n")
        case 2:
            table.sheet = table.sheet.replace("  ", "\t", 1)
        case 3:
            table.sheet += "# M\u00fcnchen\n"
            table.sheet_encoding = "latin-1"
        case 4:
            table.sheet_encoding = "utf-16"
        case _:
            table.sheet = table.sheet.replace("age:", "null:").replace("  age", "  null")


SHEET_CHANGES = [
    *(_key_in_other_letters, _value_in_other_letters, _repeat_key, _required_line, _unknown_key),
    *(_order_sheet, _sheet_otherwise),
]


def read_table(path: Path) -> dict[str, Any]:
    """Return the values of every sample, and who shares donor, batch or level with whom."""
    config: dict[str, Any] = {"preset": "paper", "bins": {"size": 10}}
    assert check_config(config, "") == []
    samples = read_study(load_cohort(path), config).samples.set_index("sample").sort_index()
    result: dict[str, Any] = {name: list(samples[name]) for name in ("age", "status", "bmi")}
    for name in ("donor", "batch", "sex"):
        result[name] = list(pd.factorize(samples[name])[0])
    return result | {"samples": list(samples.index)}


KINDS: dict[str, tuple[type, list[Any], Callable[..., Any], Callable[..., bool]]] = {
    "VCF": (Vcf, VCF_CHANGES, read_vcf, same_genotypes),
    "table": (Table, TABLE_CHANGES, read_table, lambda one, other: one == other),
    "sheet": (Table, SHEET_CHANGES, read_table, lambda one, other: one == other),
}


def fuzz(kind: str, n: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Return how many of `n` mutants were read, refused and misread, and what went wrong.

    Parameters
    ----------
    kind : {"VCF", "table", "sheet"}
    n : int
    seed : int
        Mutant `number` depends on it and on its number alone.
    folder : Path
        Where the files are written.
    """
    whole, changes, read, same = KINDS[kind]
    if kind != "VCF":
        write_cells(folder)
    expected = read(whole().write(folder))
    counts: Counter[str] = Counter()
    faults = []
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        mutant = whole()
        chosen = [changes[place] for place in rng.integers(len(changes), size=rng.integers(1, 4))]
        chosen = list(dict.fromkeys([changes[number % len(changes)], *chosen[1:]]))
        for change in chosen:
            change(mutant, rng)
        path = mutant.write(folder)
        detail = ""
        try:
            found = read(path)
            result = SAME if same(expected, found) else CHANGED
        except InputError as error:
            result = REFUSED if all(map(_in_words, error.problems)) else FAILED
            detail = str(error)
        except Exception as error:
            result, detail = FAILED, repr(error)
        counts[result] += 1
        if result in (CHANGED, FAILED):
            names = ", ".join(change.__name__[1:] for change in chosen)
            faults.append(f"{kind} {number}: {names}: {result} {detail}")
    return counts, faults


def _in_words(problem: Problem) -> bool:
    """Return whether a problem names a file and says what is wrong and what to do."""
    named = problem.severity == "warning" or (problem.file and problem.message and problem.remedy)
    return bool(named) and "Traceback" not in problem.message


def main() -> None:
    """Print what became of the mutants of every kind."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--mutants", type=int, default=3000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    results = (SAME, REFUSED, CHANGED, FAILED)
    print("kind", "mutants", *results, sep="\t")
    faults = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            counts, found = fuzz(kind, chosen.mutants, chosen.seed, Path(folder))
        print(kind, chosen.mutants, *(counts[result] for result in results), sep="\t", flush=True)
        faults += found
    print(*faults, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
