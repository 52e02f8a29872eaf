"""−ELBO against rate."""

from matplotlib.figure import Figure

from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.style import legend_outside, scatter_families

COLLAPSED = 0.1
"""Nats: where a store has runs below this rate, the axis is linear up to it and logarithmic beyond."""


def skew(drawing: Drawing) -> Figure:
    """−ELBO = R + D of every run against its rate, so that models of equal ELBO lie level."""
    runs = drawing.runs.assign(neg_elbo=-drawing.runs["elbo"], neg_elbo_se=drawing.runs["elbo_se"])
    figure = Figure()
    axes = figure.subplots()
    scatter_families(axes, runs, "rate", "neg_elbo")
    if runs["rate"].min() < COLLAPSED < runs["rate"].max():
        axes.set_xscale("symlog", linthresh=1e-3, linscale=0.5)
        axes.set_xlim(left=min(0.0, 1.5 * runs["rate"].min()))
    best = drawing.best_neg_elbo
    axes.axhline(best, color="0.35", linestyle="--", zorder=1, label=f"best −ELBO = {best:.2f}")
    if drawing.entropy is not None:
        axes.axhline(drawing.entropy, color="#D55E00", zorder=1, label=f"H = {drawing.entropy:.2f}")
    axes.set_xlabel("rate R (nats per image)")
    axes.set_ylabel("−ELBO = R + D (nats per image)")
    axes.set_title(f"−ELBO against rate: {drawing.title}")
    legend_outside(figure)
    return figure
