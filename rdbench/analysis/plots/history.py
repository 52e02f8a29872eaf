"""Training as it went."""

from collections import Counter

from matplotlib.figure import Figure

from rdbench.analysis.frame import labels
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.style import legend_outside, look
from rdbench.config.family import Family, family_of
from rdbench.store.row_checks import LARGEST

MOST_RUNS = 60
MOST_LABELS = 18
"""With more runs than this the legend names families alone."""

DASHES = ("-", "--", ":", "-.")
"""Of a family's runs, one after the other."""

MOST_MARKERS = 20
COLLAPSED = 0.1
"""Nats: where a rate falls below this, its axis turns logarithmic beyond a linear start."""

PANELS = {
    "rate": "R (nats per image)",
    "distortion": "D (nats per image)",
    "neg_elbo": "−ELBO (nats per image)",
    "beta": "β",
}


def history(drawing: Drawing) -> Figure:
    """R, D and −ELBO on the validation split by epoch, and the β in force, a line a run."""
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
    figure = Figure(figsize=(7.6, 6.4))
    panels = dict(zip(PANELS, figure.subplots(2, 2, sharex=True).flat, strict=True))
    lines: Counter[Family] = Counter()
    every = max(1, epochs["epoch"].max() // MOST_MARKERS)
    for run, words in zip(runs.to_dict("records"), labels(runs), strict=True):
        mine = epochs[epochs["run_id"] == run["run_id"]].sort_values("epoch")
        family = family_of(run["family"])
        style = look(family) | {"linestyle": DASHES[lines[family] % len(DASHES)], "markersize": 4, "markevery": every}
        label = words if len(runs) <= MOST_LABELS else None if lines[family] else family.label
        lines[family] += 1
        for name, axes in panels.items():
            axes.plot(mine["epoch"], mine[name], **style, label=label if name == "rate" else None)
    for name, axes in panels.items():
        axes.set_ylabel(PANELS[name])
        axes.xaxis.get_major_locator().set_params(integer=True)
        if name in ("neg_elbo", "beta"):
            axes.set_xlabel("epoch")
    if epochs["rate"].min() < COLLAPSED:
        panels["rate"].set_yscale("symlog", linthresh=1e-3, linscale=0.5)
    figure.suptitle(f"Training: {drawing.title.replace('test', 'validation')}", x=0.01, ha="left", fontsize=11)
    legend_outside(figure)
    return figure
