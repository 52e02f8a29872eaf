"""−ELBO against rate."""

import pandas as pd
from matplotlib.figure import Figure

from rdbench.plots.scatter import scatter_families


def skew(runs: pd.DataFrame) -> Figure:
    """−ELBO = R + D of every run against its rate, so that models of equal ELBO lie level."""
    figure = Figure()
    axes = figure.subplots()
    scatter_families(axes, runs.assign(neg_elbo=-runs["elbo"], neg_elbo_se=runs["elbo_se"]), "rate", "neg_elbo")
    axes.set(
        xlabel="rate R (nats per image)",
        ylabel="−ELBO = R + D (nats per image)",
        title=f"−ELBO against rate, {', '.join(sorted(runs['dataset'].unique()))}, test split",
    )
    axes.legend(ncols=2)
    return figure
