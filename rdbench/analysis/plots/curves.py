"""Curves that join the runs of a family along β, with β written at the ends."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.analysis.frame import but_for_seed
from rdbench.analysis.plots.style import LETTER, look
from rdbench.config.aims import AIMS, aim
from rdbench.config.family import Family, family_of

HEIGHT, MARKER = 9.0, 6.0
"""Points: of a line of text, and of a run's marker."""

NEAR = 60.0
"""Points: equal labels nearer than this are written once."""

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Positions of a label beside its point, the best first."""


class Curve(NamedTuple):
    """The runs of one family and equal settings, ordered by β or target: (n, 2) points, and the label of each."""

    family: Family
    points: np.ndarray
    aims: list[str]


def curves(runs: pd.DataFrame, x: str, y: str) -> Iterator[Curve]:
    """The curves of runs that differ only in β or target, and seed; seeds are averaged."""
    settings = runs["config"].map(lambda config: but_for_seed(config, *AIMS))
    aims = [aim(run) for run in runs.to_dict("records")]
    for (family, *_), same in runs.assign(aim=aims).groupby(["family", settings, "objective"], sort=False):
        means = same.groupby("aim")[[x, y]].mean()
        means = means.loc[sorted(means.index, key=lambda words: float(words.rpartition(" ")[2]))]
        if len(means) > 1:
            yield Curve(family_of(str(family)), means.to_numpy(float), list(means.index))


def draw_curves(axes: Axes, found: Iterable[Curve]) -> None:
    """Draw a thin line along each curve."""
    for curve in found:
        colour, gid = look(curve.family)["color"], f"family {curve.family.words}"
        axes.plot(*curve.points.T, color=colour, linewidth=0.8, zorder=2, gid=gid)


def label_ends(figure: Figure, axes: Axes, found: Iterable[Curve], points: np.ndarray) -> None:
    """Write β or the target at both ends of each curve, the longest first, where it hides nothing and is not repeated.

    ``points`` are (n, 2) in the axes' data. Call it last, because it lays the figure out to find free places.
    """
    figure.draw_without_rendering()
    scale = figure.dpi / 72
    taken = [(x, y, MARKER, MARKER) for x, y in axes.transData.transform(points) / scale]
    written: dict[str, list[Box]] = {}
    edges = np.array(axes.get_window_extent().extents) / scale
    for curve in sorted(found, key=lambda curve: -np.ptp(curve.points, axis=0).max()):
        for words, point in ((curve.aims[0], curve.points[0]), (curve.aims[-1], curve.points[-1])):
            x, y = axes.transData.transform(point) / scale
            width = LETTER * len(words)
            if any(_overlap((x, y, NEAR, NEAR), other) for other in written.get(words, ())):
                continue
            for right, up in DIRECTIONS:
                shift = (right * (width / 2 + MARKER), up * (HEIGHT / 2 + MARKER / 2))
                box = (x + shift[0], y + shift[1], width, HEIGHT)
                if _inside(box, edges) and not any(_overlap(box, other) for other in taken):
                    taken.append(box)
                    written.setdefault(words, []).append(box)
                    text = axes.annotate(
                        words, point, shift, textcoords="offset points", ha="center", va="center", zorder=2.5,
                        color=look(curve.family)["color"], bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                    )  # fmt: skip
                    text.set_gid(f"family {curve.family.words}")
                    break


Box = tuple[float, float, float, float]
"""Centre, width and height, in points."""


def _inside(box: Box, edges: np.ndarray) -> bool:
    x, y, width, height = box
    corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return bool((corners[:2] >= edges[:2]).all() and (corners[2:] <= edges[2:]).all())


def _overlap(one: Box, other: Box) -> bool:
    return abs(one[0] - other[0]) < (one[2] + other[2]) / 2 and abs(one[1] - other[1]) < (one[3] + other[3]) / 2
