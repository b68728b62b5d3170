"""Figures of a study: style, saving, and what all figures share.

Importing this module sets Matplotlib's backend (Agg) and its style for the process. Functions that
draw take tables that already hold the numbers, and return a ``matplotlib.figure.Figure``. Where a
figure shows a part of a table of results, `popnet.findings` picks that part: what is drawn is also
what is written.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import matplotlib
import numpy as np
import pandas as pd
import textalloc
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from popnet.files import atomic, write_table

matplotlib.use("Agg")
matplotlib.rcParams.update(
    {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 7,
        "axes.titlesize": 7,
        "axes.labelsize": 7,
        "figure.titlesize": 8,
        "xtick.labelsize": 6,
        "ytick.labelsize": 6,
        "legend.fontsize": 6,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.unicode_minus": True,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "hatch.linewidth": 0.4,
        "hatch.color": "white",
        "figure.dpi": 200,
        "savefig.dpi": 200,
        # Identifiers are arbitrary text: a "$" in one must not start a formula.
        "text.parse_math": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "popnet",
    }
)
# Identifiers in scripts that the font lacks are boxes in the PNG and the PDF; the SVG and the table
# hold them as they are.
warnings.filterwarnings("ignore", message="Glyph .* missing from font")

SINGLE, DOUBLE = 3.5, 7.2  # column widths of a page, inches

# Okabe and Ito's colours, which readers with any common colour vision tell apart.
OKABE_ITO = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "vermillion": "#D55E00",
    "black": "#000000",
}
GREY, DARK = "#999999", "#333333"
COMPLEXES = {
    "I": OKABE_ITO["blue"],
    "III": OKABE_ITO["green"],
    "IV": OKABE_ITO["orange"],
    "V": OKABE_ITO["purple"],
}
CONTROL, CASE = OKABE_ITO["blue"], OKABE_ITO["vermillion"]
MARKERS = ("o", "^", "s", "D", "v", "P", "X")


@dataclass(frozen=True)
class Subject:
    """What a figure is about; the second line of its title.

    Parameters
    ----------
    cell_type, phenotype : str or None
        Identifiers; None where the figure concerns all of them.
    n : int
        Number of units.
    unit : str
        What a unit is, in the plural: "donors", "samples", "bins".
    network : str or None
        Identifier; None where the figure is about no network, or about several.
    n_donors : int or None
        Of the samples, where a donor may have several.
    """

    cell_type: str | None
    phenotype: str | None
    n: int
    unit: str = "samples"
    network: str | None = None
    n_donors: int | None = None

    def __str__(self) -> str:
        """Return names and n on one line."""
        named = [readable(name, 60) for name in (self.cell_type, self.phenotype) if name]
        named += [f"network {readable(self.network, 40)}"] if self.network else []
        # Spaces that do not break keep n with its number and unit.
        n = f"n\xa0=\xa0{counted(self.n, self.unit)}"
        of = "" if self.n_donors is None else f"\xa0of\xa0{counted(self.n_donors, 'donors')}"
        return " · ".join([*named, n + of])


def counted(n: int, unit: str) -> str:
    """Return a number with its unit, given in the plural, without a space that breaks."""
    return f"{n:,}\xa0{unit.removesuffix('s') if n == 1 else unit}"


def readable(text: str, length: int = 26) -> str:
    """Return `text` on one line, its middle cut out where it is longer than `length`."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text)).strip()
    if len(plain) <= length:
        return plain
    tail = (length - 1) // 2
    return f"{plain[: length - 1 - tail]}…{plain[-tail:]}"


def format_p(p: float, name: str = "P") -> str:
    """Return ``P = 0.012`` or ``P = 1.5e-06``."""
    if not np.isfinite(p):
        return f"{name} not defined"
    return f"{name} = {p:.2g}" if p >= 1e-3 else f"{name} = {p:.1e}"


def ticks(most: int, **options: bool) -> MaxNLocator:
    """Return the locator of at most `most` intervals between round numbers."""
    return MaxNLocator(most, steps=[1, 2, 5, 10], **options)


def complex_colours(genes: Sequence[str], complexes: pd.Series) -> list[str]:
    """Return the colour of each gene's complex, grey outside of the complexes I, III, IV and V."""
    return [COMPLEXES.get(name, GREY) for name in complexes.reindex(genes)]


def new_figure(width: float, height: float, what: str, subject: Subject) -> Figure:
    """Return an empty figure titled by what it shows and of what; inches for a two-line title."""
    size = matplotlib.rcParams["figure.titlesize"]
    text = f"{what}\n{subject}"
    line = int((width - 0.2) * 72 / (0.6 * size))
    # Letters of East Asian scripts are twice as wide, so a line holds half as many.
    if any(unicodedata.east_asian_width(letter) in "WF" for letter in text):
        line //= 2
    lines = [part for paragraph in text.splitlines() for part in wrap(paragraph, line)]
    # A long title makes the figure taller, not its axes smaller.
    height += (len(lines) - 2) * 1.3 * size / 72
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.07)
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(lines), x=0.1 / width, ha="left", linespacing=1.3)
    return figure


def say(axes: Axes, text: str) -> None:
    """Write on empty axes why there is nothing to draw; a figure without others becomes low."""
    axes.set_axis_off()
    figure = axes.get_figure()
    width = figure.get_size_inches()[0]
    if len(figure.axes) == 1:
        figure.set_figheight(0.9 + 0.15 * figure.get_suptitle().count("\n"))
    axes.text(
        0.5,
        0.5,
        "\n".join(wrap(text, int(width * 12))),
        ha="center",
        va="center",
        color=DARK,
        transform=axes.transAxes,
    )


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put one legend under the axes, in as many columns as the figure's width holds."""
    if not handles:
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    width = longest * 0.6 * matplotlib.rcParams["legend.fontsize"] + 28
    columns = max(1, int(72 * (figure.get_size_inches()[0] - 0.2) / width))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=min(columns, len(handles)),
        handlelength=1.4,
        columnspacing=1.2,
    )


def dot(
    colour: str, label: str, marker: str = "o", hollow: bool = False, size: float = 4
) -> Line2D:
    """Return a legend's entry for points of one kind."""
    return Line2D(
        [],
        [],
        ls="",
        marker=marker,
        ms=size,
        mec=colour if hollow else DARK,
        mew=0.8 if hollow else 0.4,
        mfc="none" if hollow else colour,
        label=label,
    )


def bar(colour: str, label: str, hatched: bool = False) -> Patch:
    """Return a legend's entry for bars of one kind."""
    return Patch(fc=colour, alpha=0.45 if hatched else 1, hatch="/////" * hatched, label=label)


def draw_bars(axes: Axes, values: Sequence[float], colours: Sequence[str], solid: Sequence[bool]):
    """Draw horizontal bars from the top down; those that are not solid are pale and hatched."""
    for row, (value, colour, full) in enumerate(zip(values, colours, solid, strict=True)):
        axes.barh(
            row,
            value,
            height=0.72,
            color=colour,
            alpha=1 if full else 0.45,
            hatch=None if full else "/////",
            lw=0,
        )
    axes.axvline(0, color=DARK, lw=0.6)
    axes.set_ylim(max(len(values), 5) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def name_points(
    axes: Axes,
    points: np.ndarray,
    texts: Sequence[str],
    *,
    radius: float | np.ndarray = 3.0,
    size: float = 5.5,
    obstacles: np.ndarray | None = None,
    weights: Sequence[str] | None = None,
) -> None:
    """Label points inside the axes, each as near as it fits without covering a point or a label.

    The layout of the figure is settled and frozen first, so label last.

    Parameters
    ----------
    axes : Axes
    points : ndarray of shape (n_labels, 2)
        In data units.
    texts : sequence of str
    radius : float or ndarray of shape (n_labels,)
        Radius of the points that are kept free, in typographic points; one for each point only
        where there are no other obstacles.
    size : float
        Font size.
    obstacles : ndarray of shape (n_obstacles, 2), optional
        All points to keep free, `points` by default.
    weights : sequence of str, optional
        Font weight of each label.
    """
    if not len(points):
        return
    figure = axes.get_figure()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    axes.autoscale(False)
    kept = points if obstacles is None else obstacles
    pixels = figure.dpi / 72
    # The outermost points choose first: they have the free side of the cloud.
    places = axes.transData.transform(points)
    order = np.argsort(-np.linalg.norm(places - places.mean(axis=0), axis=1), kind="stable")
    textalloc.allocate(
        axes,
        *points[order].T,
        [texts[index] for index in order],
        x_scatter=kept[:, 0],
        y_scatter=kept[:, 1],
        scatter_sizes=np.broadcast_to(radius, len(kept)) * pixels,
        text_scatter_sizes=np.broadcast_to(radius, len(points))[order] * pixels,
        textsize=size,
        fontweight=["normal" if weights is None else weights[index] for index in order],
        margin=0.002,
        min_distance=0.002,
        max_distance=0.3,
        nbr_candidates=1000,
        linecolor=GREY,
        linewidth=0.35,
        zorder=5,
        bbox={"fc": "white", "ec": "none", "alpha": 0.6, "pad": 0.2},
    )


def save(figure: Figure, table: pd.DataFrame, path: str | Path) -> None:
    """Write a figure as .pdf, .svg and .png (200 dpi), and the table that it shows as .tsv.

    The files are the same bytes for the same figure: they hold no date.

    Parameters
    ----------
    figure : Figure
    table : DataFrame
    path : str or Path
        One of the four files; the others differ from it in the suffix.
    """
    path = Path(path)
    undated: dict[str, dict[str, None]] = {
        ".pdf": {"CreationDate": None},
        ".svg": {"Date": None},
        ".png": {},
    }
    for suffix, metadata in undated.items():
        with atomic(path.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, format=suffix[1:], metadata=metadata)
    write_table(table, path.with_suffix(".tsv"))
