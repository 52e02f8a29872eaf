"""Compare gradient estimators by −ELBO against seconds of training."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rdbench.analysis.paper import printed_gradients
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.style import BOUND, DARK, MARGINAL_COLOURS, NARROW, OTHER_COLOURS, legend_outside, set_title
from rdbench.config.aims import aim
from rdbench.config.parts import BIT_GRADIENTS

COLOURS = (*MARGINAL_COLOURS.values(), *OTHER_COLOURS, "#4D4D4D")
MARKERS = "osD^vPX*h"
LOOKS = dict(zip(("pathwise", *BIT_GRADIENTS), zip(COLOURS, MARKERS, strict=True), strict=True))
"""A colour and a marker for each estimator, the same in every figure."""

MOST_ROWS = 8


def race(drawing: Drawing) -> Figure:
    """By gradient estimator: −ELBO on the validation split against seconds of training, and the test split's D and R.

    A row an encoder and aim. A line is the mean over seeds after each epoch, the bar at its end the standard deviation
    over them; a point is a run. A dotted line is the −ELBO that Jang et al. (2017) print for that estimator.
    """
    runs = drawing.runs
    if "gradient" not in runs or runs["gradient"].nunique() < 2:
        raise NothingToDrawError("the runs have one gradient; make others with: --set gradient=rloo,gumbel")
    epochs = _epochs(drawing)
    aims = [aim(run) for run in runs.to_dict("records")]
    rows = list(runs.assign(aim=aims).groupby(["encoder", "aim"], sort=False))
    if len(rows) > MOST_ROWS:
        raise NothingToDrawError(f"{len(rows)} rows are too many; choose at most {MOST_ROWS} by --family or --beta")
    narrow = drawing.width < NARROW
    figure = drawing.figure(0.6 + (4.4 if narrow else 2.3) * len(rows))
    shape = (2 * len(rows), 1) if narrow else (len(rows), 2)
    panels = figure.subplots(*shape, squeeze=False).reshape(len(rows), 2)
    for (in_time, in_plane), ((encoder, aimed), mine) in zip(panels, rows, strict=True):
        in_time.set_title(f"{encoder}, {aimed}")
        _draw_times(in_time, mine, epochs, drawing)
        _draw_points(in_plane, mine, drawing)
    set_title(figure, f"Gradient estimators: {drawing.name}; −ELBO on the validation split, R and D on the test split")
    legend_outside(figure)
    return figure


def _epochs(drawing: Drawing) -> pd.DataFrame:
    """The seconds of training so far and −ELBO, for each run after each epoch."""
    epochs, skipped = drawing.store.read("history", list(drawing.runs["run_id"]))
    if skipped:
        raise NothingToDrawError("; ".join(skipped))
    if "seconds" not in epochs or (epochs["epoch"] >= 1).sum() == 0:
        raise NothingToDrawError("the history of the runs has no seconds")
    epochs = epochs[epochs["epoch"] >= 1].sort_values(["run_id", "epoch"])
    seconds = epochs.groupby("run_id")["seconds"].cumsum()
    return epochs.assign(so_far=seconds, neg_elbo=epochs["valid_rate"] + epochs["valid_distortion"])


def _draw_times(axes: Axes, runs: pd.DataFrame, epochs: pd.DataFrame, drawing: Drawing) -> None:
    """Draw a line for each estimator, on a logarithmic axis."""
    for gradient, style in _looks(runs):
        mine = epochs[epochs["run_id"].isin(runs.loc[runs["gradient"] == gradient, "run_id"])]
        by_epoch = mine.groupby("epoch")[["so_far", "neg_elbo"]]
        mean, spread = by_epoch.mean(), by_epoch.std()["neg_elbo"].fillna(0)
        axes.plot(mean["so_far"], mean["neg_elbo"], linewidth=0.9, label=gradient, **style)
        axes.errorbar(mean["so_far"].iloc[-1], mean["neg_elbo"].iloc[-1], spread.iloc[-1], color=style["color"])
    printed = _printed(runs)
    for gradient, neg_elbo in printed:
        axes.axhline(neg_elbo, color=LOOKS[gradient][0], linestyle=":", linewidth=0.9)
    if printed:
        axes.plot([], [], color=DARK, linestyle=":", label="in print, other\nnetworks")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if drawing.entropy is not None:
        axes.axhline(drawing.entropy, color=BOUND, linestyle="--", label=f"H {drawing.entropy:.2f}")
    axes.set_xlabel("seconds of training")
    axes.set_ylabel(f"−ELBO ({drawing.unit})")


def _printed(runs: pd.DataFrame) -> list[tuple[str, float]]:
    """The estimators of runs, each with its printed −ELBO; none where print has other datasets, sizes or β."""
    keys = ["dataset", "encoder", "latent_dim", "gradient"]
    printed = printed_gradients().merge(runs[runs["beta"] == 1], on=keys, suffixes=("", "_run"))
    if "categories_run" in printed:
        printed = printed[printed["categories"].isna() | (printed["categories"] == printed["categories_run"])]
    return sorted(set(zip(printed["gradient"], printed["neg_elbo"], strict=True)))


def _draw_points(axes: Axes, runs: pd.DataFrame, drawing: Drawing) -> None:
    """Draw a point for each run."""
    for gradient, style in _looks(runs):
        mine = runs[runs["gradient"] == gradient]
        axes.plot(mine["rate"], mine["distortion"], linestyle="none", **style)
    axes.set_xlabel(f"rate R ({drawing.unit})")
    axes.set_ylabel(f"distortion D ({drawing.unit})")


def _looks(runs: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """The estimators of runs, each with its look."""
    for gradient, (colour, marker) in LOOKS.items():
        if (runs["gradient"] == gradient).any():
            yield gradient, {"color": colour, "marker": marker, "markersize": 3.5}
