"""Distortion against rate."""

import pandas as pd
from matplotlib.figure import Figure

from rdbench.plots.frontier import frontier
from rdbench.plots.scatter import scatter_families


def plane(runs: pd.DataFrame) -> Figure:
    """Every run in the rate-distortion plane, the Pareto staircase, and the line of the best −ELBO."""
    figure = Figure()
    axes = figure.subplots()
    rate, distortion = runs["rate"].to_numpy(), runs["distortion"].to_numpy()
    scatter_families(axes, runs, "rate", "distortion")
    best = frontier(rate, distortion)
    axes.step(rate[best], distortion[best], where="post", color="0.4", linewidth=1, zorder=1, label="frontier")
    right, top = rate.max() * 1.08 + 0.5, distortion.max() + 0.08 * (distortion.max() - distortion.min()) + 0.5
    bound = -runs["elbo"].max()
    axes.axline((0, bound), slope=-1, linestyle="--", color="0.4", linewidth=1, label=f"best −ELBO, {bound:.2f}")
    axes.set(
        xlim=(-0.02 * right, right),
        ylim=(max(0.0, distortion.min() - 0.08 * (top - distortion.min())), top),
        xlabel="rate R (nats per image)",
        ylabel="distortion D (nats per image)",
        title=f"Rate-distortion plane, {', '.join(sorted(runs['dataset'].unique()))}, test split",
    )
    axes.legend(ncols=2)
    return figure
