"""−ELBO against rate."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rdbench.analysis.plots.curves import curves, draw_curves, label_ends
from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.points import scatter_families
from rdbench.analysis.plots.style import BOUND, DARK, legend_outside, set_title

COLLAPSED = 0.1
"""Nats: runs below this rate are collapsed. They have a panel of their own with a logarithmic axis of rates."""

LINEAR = 1e-3
"""Nats: the axis of collapsed runs is linear up to here, since an estimated rate may be 0 or negative."""


def skew(drawing: Drawing) -> Figure:
    """−ELBO = R + D of every run against its rate, so that models of equal ELBO lie level; collapsed runs apart."""
    runs = drawing.runs.assign(neg_elbo=-drawing.runs["elbo"], neg_elbo_se=drawing.runs["elbo_se"])
    collapsed = (runs["rate"] < COLLAPSED) & (not drawing.exact)
    panels = [mine for mine in (runs[collapsed], runs[~collapsed]) if len(mine)]
    figure = drawing.figure(min(3.8, 0.85 * drawing.width))
    grid = figure.subplots(1, len(panels), squeeze=False, width_ratios=(2, 3)[: len(panels)])[0]
    for axes, mine in zip(grid, panels, strict=True):
        _panel(axes, drawing, mine, first=axes is grid[0])
    if len(panels) == 2:
        grid[0].set_title(f"collapsed: R < {COLLAPSED:g}")
        grid[1].set_title("others")
    if collapsed.any():
        grid[0].set_xscale("symlog", linthresh=LINEAR, linscale=0.5)
        grid[0].set_xlim(min(0.0, 2 * runs["rate"].min()), 2 * max(LINEAR, panels[0]["rate"].max()))
    grid[0].set_ylabel(f"−ELBO ({drawing.unit})")
    grid[0].set_xlabel("rate R")
    grid[-1].set_xlabel(f"rate R ({drawing.unit})")
    set_title(figure, f"−ELBO = R + D against rate: {drawing.title}")
    legend_outside(figure)
    for axes, mine in zip(grid, panels, strict=True):
        label_ends(figure, axes, list(curves(mine, "rate", "neg_elbo")), mine[["rate", "neg_elbo"]].to_numpy(float))
    return figure


def _panel(axes: Axes, drawing: Drawing, runs: pd.DataFrame, *, first: bool) -> None:
    """Draw some of the runs, and the bounds that are near them."""
    scatter_families(axes, drawing, runs, "rate", "neg_elbo")
    draw_curves(axes, curves(runs, "rate", "neg_elbo"))
    axes.yaxis.set_major_locator(MaxNLocator(6, min_n_ticks=2))
    best = drawing.best_neg_elbo
    axes.axhline(best, color=DARK, linestyle="--", zorder=1, label=f"best −ELBO {best:.2f}" if first else None)
    if drawing.entropy is not None:
        label = f"H {drawing.entropy:.2f}" if first else None
        axes.axhline(drawing.entropy, color=BOUND, zorder=1, label=label)
