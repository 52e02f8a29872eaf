"""Labels beside points, where they hide nothing."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.analysis.plots.style import LETTER

HEIGHT, MARKER = 9.0, 6.0
"""Points: of a line of text, and of a run's marker."""

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Positions of a label beside its point, the best first."""

Box = tuple[float, float, float, float]
"""Centre, width and height, in points."""


class FreePlaces:
    """The free places of axes: inside, and clear of (n, 2) ``points`` in their data and of labels written before.

    Make it last, because it lays the figure out.
    """

    def __init__(self, figure: Figure, axes: Axes, points: np.ndarray) -> None:
        figure.draw_without_rendering()
        self.axes = axes
        self.scale = figure.dpi / 72
        self.taken = [(*self.place(point), MARKER, MARKER) for point in points]
        self.edges = np.array(axes.get_window_extent().extents) / self.scale

    def place(self, point: np.ndarray) -> tuple[float, float]:
        """Where a point lies on the page, in points of length."""
        x, y = self.axes.transData.transform(point) / self.scale
        return float(x), float(y)

    def write(self, words: str, point: np.ndarray, colour: str, gid: str = "") -> Box | None:
        """Write a label beside a point, and return its box; None if there is no free place for it."""
        x, y = self.place(point)
        width = LETTER * len(words)
        for right, up in DIRECTIONS:
            shift = (right * (width / 2 + MARKER), up * (HEIGHT / 2 + MARKER / 2))
            box = (x + shift[0], y + shift[1], width, HEIGHT)
            if _inside(box, self.edges) and not any(overlap(box, other) for other in self.taken):
                self.taken.append(box)
                text = self.axes.annotate(
                    words, (point[0], point[1]), shift, textcoords="offset points", ha="center", va="center",
                    zorder=2.5, color=colour, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                )  # fmt: skip
                text.set_gid(gid)
                return box
        return None


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    return abs(one[0] - other[0]) < (one[2] + other[2]) / 2 and abs(one[1] - other[1]) < (one[3] + other[3]) / 2


def _inside(box: Box, edges: np.ndarray) -> bool:
    x, y, width, height = box
    corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return bool((corners[:2] >= edges[:2]).all() and (corners[2:] <= edges[2:]).all())
