"""Where the nats of each run's −ELBO go."""

import math

import numpy as np
from matplotlib.figure import Figure

from rdbench.analysis.frame import asked_bounds, labels
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError

MOST_RUNS = 40
NEEDED = ("mutual_information", "marginal_kl", "encoder_gap")
COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#BBBBBB")


def attribution(drawing: Drawing) -> Figure:
    """Stacked bars: R = mutual information + marginal KL, and D = the encoder's gap (−ELBO − −IWAE-k) + the rest."""
    runs = drawing.runs
    missing = [name for name in NEEDED if name not in runs or runs[name].isna().all()]
    if missing:
        raise NothingToDrawError(f"the runs have no {' and no '.join(missing)}")
    if len(runs) > MOST_RUNS:
        raise NothingToDrawError(
            f"{len(runs)} runs are too many bars; choose at most {MOST_RUNS} by --family or --beta"
        )
    most = math.log(runs["test_images"].max())
    gap, exact = runs["encoder_gap"], drawing.exact
    largest = set() if exact else {asked_bounds(run)[-1] for run in runs.to_dict("records")}
    bound = f"IWAE-{largest.pop()}" if len(largest) == 1 else "the IWAE-k of largest k"
    parts = {
        "mutual information" if exact else f"mutual information (estimated from below, ≤ log N = {most:.2f})": runs[
            "mutual_information"
        ],
        "marginal KL" if exact else "marginal KL, at most": runs["marginal_kl"],
        "encoder's gap" if exact else f"encoder's gap to {bound}": gap,
        "rest of the distortion": runs["distortion"] - gap,
    }
    figure = Figure(figsize=(7.6, 1.6 + 0.22 * len(runs)))
    axes = figure.subplots()
    rows, left = np.arange(len(runs)), np.zeros(len(runs))
    for (label, values), colour in zip(parts.items(), COLOURS, strict=True):
        axes.barh(rows, values, left=left, color=colour, label=label, height=0.75)
        left = left + values.to_numpy()
    axes.set_yticks(rows, list(labels(runs)), family="monospace", fontsize=8)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlabel("−ELBO = R + D (nats per image)")
    axes.set_title(f"Where each nat goes: {drawing.title}")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
