"""Curves that join the runs of a family along β, with β written at the ends."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.analysis.frame import but_for_seed
from rdbench.analysis.plots.free_places import Box, FreePlaces, overlap
from rdbench.analysis.plots.style import look
from rdbench.config.aims import AIMS, aim
from rdbench.config.family import Family, family_of

NEAR = 60.0
"""Points: equal labels nearer than this are written once."""


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
        if len(means) > 1:  # so each aim ends in a number; that of an objective without one is the same for all runs
            means = means.loc[sorted(means.index, key=lambda words: float(words.rpartition(" ")[2]))]
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
    free = FreePlaces(figure, axes, points)
    written: dict[str, list[Box]] = {}
    for curve in sorted(found, key=lambda curve: -np.ptp(curve.points, axis=0).max()):
        for words, point in ((curve.aims[0], curve.points[0]), (curve.aims[-1], curve.points[-1])):
            around = (*free.place(point), NEAR, NEAR)
            if any(overlap(around, other) for other in written.get(words, ())):
                continue
            box = free.write(words, point, look(curve.family)["color"], f"family {curve.family.words}")
            if box:
                written.setdefault(words, []).append(box)
