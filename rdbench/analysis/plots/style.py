"""What all figures share: fonts, sizes, how a family looks, how runs become points."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.config.family import FAMILIES, TOY, Family

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
VISIBLE = 0.01
"""Error bars shorter than this part of an axis hide behind their marker and are not drawn."""

MANY = 1000
"""With more points than this they are small, and a picture inside an SVG."""


def look(family: Family) -> dict[str, Any]:
    """How a family looks: a marker for encoder and decoder, filled for pixelcnn, and a colour for the marginal."""
    colour = MARGINAL_COLOURS[family.marginal]
    return {
        "marker": MARKERS[family.encoder, family.decoder],
        "markerfacecolor": colour if family.decoder == "pixelcnn" else "white",
        "markeredgecolor": colour,
        "color": colour,
    }


def scatter_families(axes: Axes, runs: pd.DataFrame, x: str, y: str) -> None:
    """One point a run, error bars where they would be seen, one legend entry a family."""
    many = len(runs) > MANY
    spans = {name: runs[name].max() - runs[name].min() for name in (x, y)}
    for family in (*FAMILIES, TOY):
        mine = runs[runs["family"] == family.words]
        if mine.empty:
            continue
        label = f"{family.signs}  {family.words}"
        axes.plot(
            mine[x], mine[y], linestyle="none", markersize=2.5 if many else 6, label=label, rasterized=many, zorder=3,
            **look(family),
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
