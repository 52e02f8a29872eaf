"""Distortion against rate."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.spatial import ConvexHull, QhullError

from rdbench.analysis.plots.curves import curves, draw_curves, label_ends
from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.points import draw_others, scatter_families
from rdbench.analysis.plots.style import BOUND, DARK, legend_outside, set_title


def plane(drawing: Drawing) -> Figure:
    """Every run in the rate-distortion plane, joined along β, with the frontier, its hull, and the bounds on H."""
    figure = drawing.figure(min(4.2, 0.85 * drawing.width))
    axes = figure.subplots()
    found = list(curves(drawing.runs, "rate", "distortion"))
    scatter_families(axes, drawing, drawing.runs, "rate", "distortion")
    draw_curves(axes, found)
    columns = ["rate", "distortion"]
    points = np.concatenate([drawing.runs[columns].to_numpy(float), drawing.others[columns].to_numpy(float)])
    _set_limits(axes, points, drawing.entropy)
    for index, best in enumerate(drawing.frontiers):
        _draw_frontier(axes, best, labelled=not index)
    _draw_bounds(axes, drawing)
    draw_others(axes, drawing.others)
    axes.set_xlabel(f"rate R ({drawing.unit})")
    axes.set_ylabel(f"distortion D ({drawing.unit})")
    set_title(figure, f"Rate-distortion plane: {drawing.title}")
    legend_outside(figure)
    label_ends(figure, axes, found, points)
    return figure


def lower_left_hull(points: np.ndarray) -> np.ndarray:
    """The (n, 2) corners of the convex hull that face the origin, by ascending rate.

    >>> lower_left_hull(np.array([[0.0, 4.0], [1.0, 3.9], [2.0, 1.0], [5.0, 0.0]]))
    array([[0., 4.],
           [2., 1.],
           [5., 0.]])
    """
    points = points[np.argsort(points[:, 0])]
    if len(points) < 3:
        return points
    try:
        corners = points[np.sort(ConvexHull(points).vertices)]
    except QhullError:  # all on one line
        return points[[0, -1]]
    ends = corners[[0, -1]]
    chord = np.interp(corners[:, 0], ends[:, 0], ends[:, 1])
    return corners[corners[:, 1] <= chord + 1e-12]


def _set_limits(axes: Axes, points: np.ndarray, entropy: float | None) -> None:
    """Set limits that show every run and, if it is near, the corner R = 0, D = H."""
    right, top = points.max(0)
    bottom = min(points[:, 1].min(), np.inf if entropy is None else max(entropy - right, 0))
    margin = 0.06 * max(top - bottom, 1.0)
    axes.set_xlim(-0.03 * max(right, 1e-3), 1.06 * max(right, 1e-3))
    axes.set_ylim(max(bottom - margin, 0.0), top + margin)


def _draw_frontier(axes: Axes, best: np.ndarray, *, labelled: bool) -> None:
    label, hull_label = ("frontier", "its convex hull") if labelled else (None, None)
    axes.plot(*_staircase(axes, best), color=DARK, zorder=1, label=label)
    _mark_margins(axes, best)
    hull = lower_left_hull(best)
    if len(hull) > 2:
        axes.plot(*hull.T, color=DARK, linestyle=":", zorder=1, label=hull_label)


def _staircase(axes: Axes, best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The steps from the upper edge down along the frontier to the right edge."""
    rate = np.append(np.repeat(best[:, 0], 2), axes.get_xlim()[1])
    distortion = np.append(axes.get_ylim()[1], np.repeat(best[:, 1], 2))
    return rate, distortion


def _mark_margins(axes: Axes, best: np.ndarray) -> None:
    marks: dict[str, Any] = {"color": DARK, "clip_on": False, "linestyle": "none", "markersize": 7, "zorder": 4}
    axes.plot(best[:, 0], np.zeros(len(best)), marker=2, transform=axes.get_xaxis_transform(), **marks)
    axes.plot(np.zeros(len(best)), best[:, 1], marker=1, transform=axes.get_yaxis_transform(), **marks)


def _draw_bounds(axes: Axes, drawing: Drawing) -> None:
    best_neg_elbo, entropy = drawing.best_neg_elbo, drawing.entropy
    axes.autoscale(False)  # the limits are those of the runs
    label = f"best −ELBO {best_neg_elbo:.2f}"
    axes.axline((0, best_neg_elbo), slope=-1, color=DARK, linestyle="--", zorder=1, label=label)
    if entropy is not None:
        name = "H" if drawing.labels is None else "H(Y)"
        rate = np.array([0, max(entropy, axes.get_xlim()[1])])
        line, *_ = axes.plot(rate, entropy - rate, color=BOUND, zorder=1, label=f"D = {name} − R, {name} {entropy:.2f}")
        axes.fill_between(rate, entropy - rate, axes.get_ylim()[0] - 1, color=line.get_color(), alpha=0.12, linewidth=0)
