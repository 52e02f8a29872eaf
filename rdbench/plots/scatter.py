"""Runs as points that say their family."""

import pandas as pd
from matplotlib.axes import Axes

from rdbench.family import FAMILIES
from rdbench.plots.style import look


def scatter_families(axes: Axes, runs: pd.DataFrame, x: str, y: str) -> None:
    """One point a run, with the error bars of both measures, one legend entry a family."""
    for family in FAMILIES:
        mine = runs[runs["family"] == family.words]
        if not mine.empty:
            axes.errorbar(
                mine[x], mine[y], xerr=mine[f"{x}_se"], yerr=mine[f"{y}_se"], linestyle="none", elinewidth=0.7,
                markersize=6, label=f"{family.signs}  {family.words}", **look(family),
            )  # fmt: skip
