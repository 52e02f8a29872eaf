"""The style of all figures: fonts, sizes, the look of a family, titles and legends."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure

from rdbench.analysis.plots.markers import marker_of, place
from rdbench.config.family import Family

WIDTH, NARROW = 7.0, 5.0
"""Inches: the width of a figure, and the width below which the legend lies under the axes instead of beside them."""

LETTER = 4.5
"""Points: about the width of a letter at 8 points."""

STYLE: dict[Any, Any] = {
    "savefig.dpi": 200,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "figure.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.columnspacing": 1.0,
    "legend.handlelength": 1.6,
    "legend.handletextpad": 0.6,
    "lines.linewidth": 1.0,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "rdbench",
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}

DARK, BOUND = "0.35", "#D55E00"
"""The colours of what the runs reach, and of what no run can reach."""

# Okabe and Ito's palette, which the colour-blind can tell apart, its orange darkened: each has a contrast of 3:1 to
# white. No information rests on colour alone: the marker tells the same.
MARGINAL_COLOURS = {"gaussian": "#0072B2", "maf": "#B87A00", "vamp": "#C65A9A", "discrete": "#00805C"}
OTHER_COLOURS = ("#7A3DA8", "#000000", "#8C510A", "#A8320A")
"""For marginals that are not the paper's."""

FILLS = {"deconv": "white", "pixelcnn": None, "linear": "0.85", "mlp": "0.6"}
"""The fill of a marker, by decoder: None is the colour of its edge. A plug-in's decoder has the first grey."""

MANY = 1000
"""With more points than this they are small, and a picture inside an SVG."""


@contextmanager
def own_style() -> Iterator[None]:
    """Matplotlib's defaults and ``STYLE``, whatever a user's matplotlibrc or notebook has set."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def look(family: Family) -> dict[str, Any]:
    """How a family looks: a marker for encoder and marginal, a fill for the decoder, and a colour for the marginal.

    The colour of a marginal that is not the paper's depends on its name alone, so it is the same in every figure.
    """
    colour = MARGINAL_COLOURS.get(family.marginal) or OTHER_COLOURS[place(family.marginal, len(OTHER_COLOURS))]
    return {
        "marker": marker_of(family.encoder, family.marginal),
        "markerfacecolor": FILLS.get(family.decoder, FILLS["linear"]) or colour,
        "markeredgecolor": colour,
        "color": colour,
    }


def is_narrow(figure: Figure) -> bool:
    """Whether a figure fits one column of a paper."""
    return figure.get_figwidth() < NARROW


def set_title(figure: Figure, words: str) -> None:
    """Set a left-aligned title, broken into lines that fit the width."""
    letters = int(72 * figure.get_figwidth() / LETTER)
    figure.suptitle("\n".join(textwrap.wrap(words, letters)), x=0.01, ha="left")


def legend_outside(figure: Figure) -> None:
    """Add one legend outside the axes: to the right, or below in a narrow figure, which becomes higher."""
    named = [axes.get_legend_handles_labels() for axes in figure.axes]
    entries = {label: handle for handles, labels in named for handle, label in zip(handles, labels, strict=True)}
    labels, handles = list(entries), list(entries.values())
    if not is_narrow(figure):
        figure.legend(handles, labels, loc="outside right upper")
        return
    columns = max(1, int(72 * figure.get_figwidth() // (LETTER * max(map(len, labels), default=1) + 32)))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
    figure.set_figheight(figure.get_figheight() + 0.17 * -(-len(labels) // columns))


COLOURED = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def to_grey(figure: Figure) -> None:
    """Replace every colour of a figure by the grey of equal brightness."""
    for artist in figure.findobj():
        for name in COLOURED:
            if hasattr(artist, f"get_{name}") and hasattr(artist, f"set_{name}"):
                colours = to_rgba_array(getattr(artist, f"get_{name}")())
                if len(colours):
                    colours[:, :3] = colours[:, :3] @ np.array([[0.299], [0.587], [0.114]])
                    getattr(artist, f"set_{name}")(colours if len(colours) > 1 else tuple(colours[0]))
