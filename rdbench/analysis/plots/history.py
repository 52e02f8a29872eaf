"""The course of training."""

from collections import Counter
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.analysis.frame import labels
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.style import DARK, NARROW, legend_outside, look, set_title
from rdbench.config.aims import aim
from rdbench.config.family import Family, family_of
from rdbench.store.row_checks import LARGEST

MOST_RUNS = 60
MOST_LABELS = 18
"""With more runs than this the legend names only families."""

DASHES = ("-", "--", ":", "-.")
"""The dashes of a family's runs or, with many runs, of each β or target."""

MOST_MARKERS = 20
COLLAPSED = 0.1
"""Nats: if a rate falls below this, its axis is linear up to here and logarithmic beyond."""

PANELS = {"rate": "R", "distortion": "D", "neg_elbo": "−ELBO", "beta": "β"}


def history(drawing: Drawing) -> Figure:
    """R, D, −ELBO on the validation split and β, by epoch; one line for each run."""
    runs = drawing.runs
    if len(runs) > MOST_RUNS:
        raise NothingToDrawError(
            f"{len(runs)} runs are too many lines; choose at most {MOST_RUNS} by --family or --beta"
        )
    epochs, skipped = drawing.store.read("history", list(runs["run_id"]))
    if skipped:
        raise NothingToDrawError("; ".join(skipped))
    epochs = epochs.rename(columns={"valid_rate": "rate", "valid_distortion": "distortion"})
    epochs = epochs[epochs["epoch"] >= 1].astype({"epoch": int})
    if epochs.empty:
        raise NothingToDrawError("the history of the runs has no epoch")
    if epochs["epoch"].max() < 2:
        raise NothingToDrawError("one epoch makes no line")
    numbers = epochs[["rate", "distortion", "beta"]]
    epochs = epochs.assign(**numbers.where(numbers.abs() < LARGEST))
    epochs["neg_elbo"] = epochs["rate"] + epochs["distortion"]
    narrow = drawing.width < NARROW
    figure = drawing.figure(7.0 if narrow else 5.2)
    panels = dict(zip(PANELS, figure.subplots(*((4, 1) if narrow else (2, 2)), sharex=True).flat, strict=True))
    _draw_lines(panels, runs, epochs)
    for name, axes in panels.items():
        axes.set_ylabel(PANELS[name] if name == "beta" else f"{PANELS[name]} ({drawing.unit})")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if name == "beta" or (name == "neg_elbo" and not narrow):
            axes.set_xlabel("epoch")
    if epochs["rate"].min() < COLLAPSED:
        panels["rate"].set_yscale("symlog", linthresh=1e-3, linscale=1)
        panels["rate"].yaxis.get_major_locator().set_params(numticks=6)
    set_title(figure, f"Training: {drawing.title.replace('test', 'validation')}")
    legend_outside(figure)
    return figure


def _draw_lines(panels: Mapping[str, Axes], runs: pd.DataFrame, epochs: pd.DataFrame) -> None:
    """Draw a line for each run: marker and colour tell the family, dashes the run or, with many runs, β or target."""
    every = max(1, epochs["epoch"].max() // MOST_MARKERS)
    aims = list(dict.fromkeys(aim(run) for run in runs.to_dict("records")))
    few = len(runs) <= MOST_LABELS
    lines: Counter[Family] = Counter()
    for run, words in zip(runs.to_dict("records"), labels(runs), strict=True):
        mine = epochs[epochs["run_id"] == run["run_id"]].sort_values("epoch")
        family = family_of(run["family"])
        dashes = DASHES[(lines[family] if few else aims.index(aim(run))) % len(DASHES)]
        style = look(family) | {"linestyle": dashes, "linewidth": 0.8, "markersize": 3.5, "markevery": every}
        label = words if few else None if lines[family] else family.signs
        lines[family] += 1
        for name, axes in panels.items():
            axes.plot(mine["epoch"], mine[name], **style, label=label if name == "rate" else None)
    if not few and 1 < len(aims) <= len(DASHES):
        for words, dashes in zip(aims, DASHES, strict=False):
            panels["rate"].plot([], [], color=DARK, linestyle=dashes, label=words)
