"""The phase diagram: which rates and distortions are possible, and what the corners mean."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.style import BOUND, set_title

ROOM = 1.5
"""Inches: a triangle with shorter sides has no room for text."""


def phase(drawing: Drawing) -> Figure:
    """The feasible region above D = H − R, its two limits, and the frontier of the runs in it."""
    known = drawing.entropy is not None
    entropy = drawing.entropy if drawing.entropy is not None else drawing.best_neg_elbo
    extent = 1.25 * max(entropy, *(best.max() for best in drawing.frontiers))
    side = min(drawing.width, 4.6)
    figure = Figure(figsize=(side, side))
    axes = figure.subplots()
    axes.fill(
        [0, entropy, extent, extent, 0], [entropy, 0, 0, extent, extent], color="#0072B2", alpha=0.08, linewidth=0
    )
    axes.fill([0, entropy, 0], [entropy, 0, 0], color=BOUND, alpha=0.12, linewidth=0)
    line = "D = H − R" if known else "D = best −ELBO − R, not below H − R"
    axes.plot([0, entropy], [entropy, 0], color=BOUND, label=line)
    for index, best in enumerate(drawing.frontiers):
        label = None if index else "frontier of the runs"
        axes.plot(*best.T, color="0.2", marker="o", markersize=4, label=label)
    if side * entropy / extent > ROOM:
        below = "impossible" if known else "not reached"
        axes.text(entropy / 3, entropy / 3, below, ha="center", va="center", color="#A04000")
    axes.text(0.8 * extent, 0.68 * extent, "feasible", ha="center", color="#0072B2")
    corner: dict[str, Any] = {"arrowprops": {"arrowstyle": "->", "color": "0.3"}, "ha": "right"}
    right, high = 0.98 * extent, min(1.02 * entropy + 0.08 * extent, 0.9 * extent)
    autodecoding = (right, max(high, 0.78 * extent))
    autoencoding = (0.5 if entropy > extent / 2 else 0.25) * extent  # lower than the other's arrow, which may be steep
    axes.annotate("autodecoding limit\nR = 0, D = H: z is ignored", (0, entropy), autodecoding, **corner)
    axes.annotate("autoencoding limit\nD = 0, R = H: z says all", (entropy, 0), (right, autoencoding), **corner)
    name = f"H = {entropy:.2f}" if known else f"best −ELBO = {entropy:.2f} ≥ H"
    ticks = np.array([0.0, entropy])
    axes.set(xlim=(0, extent), ylim=(0, extent), xticks=ticks, yticks=ticks, aspect="equal")
    names = ["0", "H" if known else "≥ H"]
    axes.set_xticklabels(names)
    axes.set_yticklabels(names)
    axes.set_xlabel(f"rate R ({drawing.unit})")
    axes.set_ylabel(f"distortion D ({drawing.unit})")
    set_title(figure, f"Phase diagram: {drawing.name}, {name}")
    figure.legend(loc="outside lower left")
    return figure
