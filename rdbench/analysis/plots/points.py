"""Draw runs as points, and points that are not runs with other markers."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from rdbench.analysis.frame import family_order
from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.style import MANY, NARROW, look
from rdbench.config.family import family_of

VISIBLE = 0.01
"""Error bars shorter than this fraction of an axis would hide behind their marker, so they are not drawn."""

OTHER_MARKERS = ("x", "+", "1", "2", "3", "4")
"""The markers of points without a known family, by label."""


def scatter_families(axes: Axes, drawing: Drawing, runs: pd.DataFrame, x: str, y: str) -> None:
    """Draw one point for each run, error bars if they are visible, and one legend entry for each family."""
    many = len(runs) > MANY
    spans = {name: runs[name].max() - runs[name].min() for name in (x, y)}
    for family in map(family_of, sorted(runs["family"].unique(), key=family_order)):
        mine = runs[runs["family"] == family.words]
        style: dict[str, Any] = {"linestyle": "none", "markersize": 2.5 if many else 5, "zorder": 3, **look(family)}
        label = family.signs if drawing.width < NARROW else family.label
        if drawing.single and not many:
            for run_id, rate, value in zip(mine["run_id"], mine[x], mine[y], strict=True):
                axes.plot([rate], [value], gid=f"run {run_id}", **style)
        else:
            axes.plot(mine[x], mine[y], label=label, rasterized=many, **style)
        seen = (mine[f"{x}_se"] > VISIBLE * spans[x]) | (mine[f"{y}_se"] > VISIBLE * spans[y])
        barred = mine[seen]
        bars = axes.errorbar(
            barred[x], barred[y], xerr=barred[f"{x}_se"], yerr=barred[f"{y}_se"], fmt="none",
            ecolor=look(family)["color"], elinewidth=0.8, zorder=2,
        )  # fmt: skip
        for lines in bars[2]:
            lines.set_gid(f"family {family.words}")


def draw_others(axes: Axes, others: pd.DataFrame) -> None:
    """Draw points that are not runs: small, their family's marker with a dot, or a cross if no family is known."""
    for index, (label, mine) in enumerate(others.groupby("label", sort=False)):
        known = mine[mine["family"].notna()]
        for words, same in known.groupby("family", sort=False):
            style = {"linestyle": "none", "markersize": 4, "zorder": 2, **look(family_of(str(words)))}
            axes.plot(same["rate"], same["distortion"], **style)
        axes.plot(known["rate"], known["distortion"], "k.", markersize=1.5, zorder=2)
        rest = mine[mine["family"].isna()]
        marker = OTHER_MARKERS[index % len(OTHER_MARKERS)]
        axes.plot(rest["rate"], rest["distortion"], marker, color="0.2", markersize=5, zorder=2)
        if len(known):
            axes.plot([], [], "ko", markerfacecolor="white", markersize=4, label=f"{label} (dotted)")
        else:
            axes.plot([], [], marker, color="0.2", markersize=5, label=label)
