"""The information bottleneck: I(Z;Y) of labels against the rate."""

import numpy as np
from matplotlib.figure import Figure

from rdbench.analysis.plots.curves import curves, draw_curves, label_ends
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.points import scatter_families
from rdbench.analysis.plots.style import BOUND, legend_outside, set_title
from rdbench.data import DATASETS

MEASURES = {"label_information": "by the decoder, H(Y) − D", "probe_information": "by a linear probe"}
MARGIN = 0.05


def bottleneck(drawing: Drawing) -> Figure:
    """A lower bound of I(Z;Y) against R, an upper bound of I(X;Z), with the bound I(Z;Y) ≤ min(R, H(Y)).

    Where labels are a function of the image, as those of sprites but for flipped pixels, the bound is the frontier.
    """
    found = [name for name in MEASURES if name in drawing.runs and drawing.runs[name].notna().any()]
    if not found:
        raise NothingToDrawError(f"no run knows labels; fit a probe with: {drawing.command('evaluate', '--labels')}")
    name = found[0]
    runs = drawing.runs[drawing.runs[name].notna()]
    figure = drawing.figure(min(3.8, 0.95 * drawing.width))
    axes = figure.subplots()
    lines = list(curves(runs, "rate", name))
    scatter_families(axes, drawing, runs, "rate", name)
    draw_curves(axes, lines)
    points = runs[["rate", name]].to_numpy(float)
    right = float(points[:, 0].max()) * (1 + MARGIN)
    entropy = drawing.entropy if drawing.labels is not None else float(np.median(runs["probe_entropy"]))
    if entropy is not None:
        exact = drawing.runs["dataset_sha256"].iloc[0] == DATASETS["sprites"].sha256
        label = "frontier min(R, H(Y))" if exact else "bound min(R, H(Y))"
        corners = np.array([[0, 0], [entropy, entropy], [max(right, entropy), entropy]])
        axes.plot(*corners.T, color=BOUND, zorder=1, label=f"{label}, H(Y) {entropy:.2f}")
    axes.set_xscale("symlog", linthresh=max(entropy or 1.0, 1.0))
    axes.set_xlabel(f"rate R ≥ I(X;Z) ({drawing.unit})")
    axes.set_ylabel(f"I(Z;Y) from below ({drawing.unit})")
    set_title(figure, f"Information bottleneck, {MEASURES[name]}: {drawing.title}")
    legend_outside(figure)
    label_ends(figure, axes, lines, points)
    return figure
