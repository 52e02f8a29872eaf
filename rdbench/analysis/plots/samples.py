"""Images that models reconstruct and generate."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.style import set_title
from rdbench.analysis.stores import each, holder
from rdbench.config.aims import aim

MOST_FAMILIES, MOST_RUNS = 4, 6
"""The most rows of a figure, one for each family, and the most runs in a row."""

COLUMNS = ("input\nx", "decoded\nz ~ e(z|x)", "mean\nof five", "decoded\nz ~ m(z)", "mean\nof five")
PANEL = (3.2, 5.6)
"""Inches of one run's images, which are no smaller in a narrow figure."""


def samples(drawing: Drawing) -> Figure:
    """A row a family, a panel a β: inputs with one decoded sample and the mean of five, then those from the marginal.

    Five images are decoded from the one z of each row. Of more than four families the one of best ELBO is drawn,
    for an autoregressive decoder draws slowly. Reads the weights, and so needs torch; runs without are left out.
    """
    from rdbench.runs.trained import draw_samples  # here, because no other figure needs torch

    kept = set().union(*(store.with_weights() for store in each(drawing.store)))
    drawn = drawing.runs[drawing.runs["run_id"].isin(kept)]
    if drawn.empty:
        raise NothingToDrawError(f"{drawing.store} keeps no weights of these runs; to have them, do the runs again")
    families = list(drawn["family"].unique())
    best = drawn.sort_values("elbo")["family"].iloc[-1]
    rows = [_of_family(drawn, name) for name in (families if len(families) <= MOST_FAMILIES else [best])]
    columns = max(map(len, rows))
    figure = Figure(figsize=(PANEL[0] * columns, 0.4 + PANEL[1] * len(rows)))
    for panels, runs in zip(figure.subfigures(len(rows), columns, squeeze=False), rows, strict=True):
        for panel, run in zip(panels, runs.to_dict("records"), strict=False):
            annealed = ", annealed" if run["anneal_epochs"] else ""
            words = f"{run['family']}\n{run['aim']}{annealed}\nR {run['rate']:.2f}  D {run['distortion']:.2f}"
            panel.suptitle(words)
            _draw(panel, draw_samples(holder(drawing.store, run["run_id"]), run, drawing.data_dir))
    which = f", the family of best ELBO of {len(families)}" if len(families) > MOST_FAMILIES else ""
    set_title(figure, f"Samples: {drawing.name}{which}")
    return figure


def _of_family(runs: pd.DataFrame, family: str) -> pd.DataFrame:
    """A few runs of a family, one for each β or target."""
    mine = runs[runs["family"] == family]
    mine = mine.assign(aim=[aim(run) for run in mine.to_dict("records")])
    return mine.drop_duplicates(["objective", "aim", "anneal_epochs"]).head(MOST_RUNS)


def _draw(panel: SubFigure, columns: list[np.ndarray]) -> None:
    """Columns of (N, side, side) images, side by side."""
    for axes, images, name in zip(panel.subplots(1, len(columns)), columns, COLUMNS, strict=True):
        framed = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=0.5)
        axes.imshow(framed.reshape(-1, framed.shape[-1]), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, loc="center")
        axes.set_axis_off()
