"""The parts of each run's −ELBO."""

import math
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rdbench.analysis.frame import asked_bounds, labels
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.style import LETTER, NARROW, set_title

MOST_RUNS = 40
NEEDED = ("mutual_information", "marginal_kl", "encoder_gap")
AT_CEILING = 0.1
"""Within these nats of log N the estimate of I(X;Z) is at its ceiling: all other images weigh less than a tenth."""

BARS: dict[str, dict[str, Any]] = {
    "information": {"color": "#0072B2"},
    "either": {"color": "#DDEEF8", "hatch": "////"},
    "kl": {"color": "#8CC5EA"},
    "gap": {"color": "#D55E00", "hatch": "...."},
    "rest": {"color": "#E4E4E4"},
}


def attribution(drawing: Drawing) -> Figure:
    """Stacked bars: R = mutual information + marginal KL, and D = the encoder's gap (−ELBO − −IWAE-k) + the rest.

    If the estimate of I(X;Z) is at its ceiling log N, the rest of R may be either part and is drawn as such.
    """
    runs = drawing.runs
    missing = [name for name in NEEDED if name not in runs or runs[name].isna().all()]
    if missing:
        raise NothingToDrawError(f"the runs have no {' and no '.join(missing)}")
    if len(runs) > MOST_RUNS:
        raise NothingToDrawError(
            f"{len(runs)} runs are too many bars; choose at most {MOST_RUNS} by --family or --beta"
        )
    narrow = drawing.width < NARROW
    letters = int(0.42 * 72 * drawing.width / LETTER)
    names = list(labels(runs))
    if narrow:
        names = ["\n".join(textwrap.wrap(name, letters)) for name in names]
    figure = drawing.figure(1.3 + 0.15 * len(names) * max(1 + name.count("\n") for name in names))
    axes = figure.subplots()
    rows, left = np.arange(len(runs)), np.zeros(len(runs))
    for label, style, values in _parts(drawing):
        axes.barh(rows, values, left=left, label=label, height=0.75, edgecolor="0.3", linewidth=0.5, **style)
        left = left + values.to_numpy()
    axes.set_yticks(rows, names, family="monospace")
    axes.set_ylim(len(runs) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"−ELBO ({drawing.unit})")
    set_title(figure, f"Where each nat of −ELBO = R + D goes: {drawing.title}")
    columns = 1 if narrow else 2
    figure.legend(loc="outside lower left", ncols=columns)
    figure.set_figheight(figure.get_figheight() + 0.17 * 6 / columns)
    return figure


def _parts(drawing: Drawing) -> Iterator[tuple[str, dict[str, Any], pd.Series]]:
    """Each part's label, look and nats by run, in the order of the bars."""
    runs = drawing.runs
    information, kl, gap = (runs[name] for name in NEEDED)
    gap = gap.fillna(0.0)  # codes have no IWAE-k; their gap stays in the rest
    exact = drawing.exact
    told = pd.Series(True, index=runs.index)
    if not exact:
        told = information < np.log(runs["test_images"]) - AT_CEILING
    most = math.log(runs["test_images"].max())
    yield f"I(X;Z){'' if exact else f', from below, at most log N = {most:.2f}'}", BARS["information"], information
    if not told.all():
        yield "information or marginal KL, cannot be told", BARS["either"], kl.where(~told, 0.0)
    if told.any():
        yield f"marginal KL{'' if exact else ', at most'}", BARS["kl"], kl.where(told, 0.0)
    asked = [] if exact else [asked_bounds(run) for run in runs.to_dict("records")]
    largest = {bounds[-1] for bounds in asked if bounds}
    bound = f"IWAE-{largest.pop()}" if len(largest) == 1 else "the IWAE-k of largest k"
    yield f"encoder's gap{'' if exact else f' to {bound}'}", BARS["gap"], gap
    yield "rest of the distortion", BARS["rest"], runs["distortion"] - gap
