"""What all figures share: fonts, sizes, how a family looks, how runs become points."""

import hashlib
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.analysis.frame import family_order
from rdbench.config.family import Family, family_of

STYLE: dict[Any, Any] = {
    "figure.figsize": (7.6, 4.6),
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.2,
    "svg.hashsalt": "rdbench",
    "figure.constrained_layout.use": True,
}

# Okabe and Ito's palette, which the colour-blind can tell apart; in grey they are dark, light and middle
MARGINAL_COLOURS = {"gaussian": "#0072B2", "maf": "#E69F00", "vamp": "#CC79A7", "discrete": "#009E73"}
MARKERS = {
    ("gaussian", "deconv"): "o",
    ("iaf", "deconv"): "s",
    ("gaussian", "pixelcnn"): "^",
    ("iaf", "pixelcnn"): "v",
    ("discrete", "discrete"): "D",
}
OTHER_COLOURS = ("#56B4E9", "#D55E00", "#000000", "#009E73")
OTHER_MARKERS = ("P", "X", "*", "p", "h", "<", ">", "d", "8")
"""For parts that are not the paper's."""

VISIBLE = 0.01
"""Error bars shorter than this part of an axis hide behind their marker and are not drawn."""

MANY = 1000
"""With more points than this they are small, and a picture inside an SVG."""


def look(family: Family) -> dict[str, Any]:
    """How a family looks: a marker for encoder and decoder, filled for pixelcnn, and a colour for the marginal.

    A part that is not the paper's has its marker or colour by its name, the same in every figure.
    """
    colour = MARGINAL_COLOURS.get(family.marginal) or OTHER_COLOURS[_place(family.marginal, len(OTHER_COLOURS))]
    pair = (family.encoder, family.decoder)
    return {
        "marker": MARKERS.get(pair) or OTHER_MARKERS[_place("-".join(pair), len(OTHER_MARKERS))],
        "markerfacecolor": colour if family.decoder == "pixelcnn" else "white",
        "markeredgecolor": colour,
        "color": colour,
    }


def _place(name: str, places: int) -> int:
    """A place by a name, the same in every process."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % places


def scatter_families(axes: Axes, runs: pd.DataFrame, x: str, y: str) -> None:
    """One point a run, error bars where they would be seen, one legend entry a family."""
    many = len(runs) > MANY
    spans = {name: runs[name].max() - runs[name].min() for name in (x, y)}
    for family in map(family_of, sorted(runs["family"].unique(), key=family_order)):
        mine = runs[runs["family"] == family.words]
        axes.plot(
            mine[x], mine[y], linestyle="none", markersize=2.5 if many else 6, label=family.label,
            rasterized=many, zorder=3, **look(family),
        )  # fmt: skip
        seen = (mine[f"{x}_se"] > VISIBLE * spans[x]) | (mine[f"{y}_se"] > VISIBLE * spans[y])
        barred = mine[seen]
        axes.errorbar(
            barred[x], barred[y], xerr=barred[f"{x}_se"], yerr=barred[f"{y}_se"], fmt="none",
            ecolor=look(family)["color"], elinewidth=0.8, zorder=2,
        )  # fmt: skip


def legend_outside(figure: Figure) -> None:
    """One legend to the right of the axes, where it hides no point."""
    figure.legend(loc="outside right upper")
