"""How far each kind of z gets towards the autoencoding limit, D → 0 and R → H."""

from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.free_places import FreePlaces
from rdbench.analysis.plots.others import PRINTED, paper_points
from rdbench.analysis.plots.points import draw_others
from rdbench.analysis.plots.style import BOUND, DARK, NARROW, legend_outside, set_title
from rdbench.config.family import family_of
from rdbench.config.parts import registered
from rdbench.errors import counted

MOST_RATE = 200.0
"""Nats: where the axis of rates ends. The paper's points end at 156."""

BELOW = 0.04
"""The part of an axis that lies below 0, where a label may lie."""

WAYS: dict[str, dict[str, Any]] = {
    "vector": {"color": "#0072B2", "markerfacecolor": "white"},
    "bits": {"color": "#B87A00", "markerfacecolor": "#F2D9A8"},
    "categories": {"color": "#C65A9A", "markerfacecolor": "#F0CFE2"},
    "codes": {"color": "#00805C", "markerfacecolor": "#00805C"},
    "other": {"color": "0.35", "markerfacecolor": "0.85"},
}
"""The look of each kind of z: a colour, and markers that are emptier or fuller."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
"""Of the families of a figure, in the order of its legend."""


def limit(drawing: Drawing) -> Figure:
    """D against R up to 200 nats, coloured by the kind of z, with −ELBO beside each run and each printed point."""
    if drawing.labels is not None:
        raise NothingToDrawError("the runs explain labels, so D → 0 is no autoencoder")
    runs = drawing.runs.assign(way=drawing.runs["family"].map(_way))
    if runs["way"].nunique() < 2:
        raise NothingToDrawError("z is of one kind in all runs; it compares vectors, bits, categories and codes")
    if (runs["rate"] < runs["distortion"]).all():
        raise NothingToDrawError("no run has a rate above its distortion, so none is near the limit")
    shown, others = runs[runs["rate"] <= MOST_RATE], _others(drawing)
    figure = drawing.figure(min(5.0, 0.9 * drawing.width))
    axes = figure.subplots()
    _draw_families(axes, shown, narrow=drawing.width < NARROW)
    draw_others(axes, others)
    _draw_bounds(axes, drawing)
    if beyond := len(runs) - len(shown):
        axes.plot([], [], " ", label=f"{counted(beyond, 'run')} beyond R {MOST_RATE:g}")
    top = pd.concat([shown["distortion"], others["distortion"]]).max()
    axes.set_xlim(-BELOW * MOST_RATE, MOST_RATE)
    axes.set_ylim(-BELOW * top, 1.06 * top)
    axes.set_xlabel(f"rate R ({drawing.unit})")
    axes.set_ylabel(f"distortion D ({drawing.unit})")
    set_title(figure, f"Ways to high rates, with −ELBO: {drawing.title}")
    legend_outside(figure)
    _write_neg_elbos(figure, axes, shown, others)
    return figure


def _way(family: str) -> str:
    """What z is: of a family whose encoder is not installed it is not known."""
    encoder = registered("encoder", family_of(family).encoder)
    return encoder.latent[0] if encoder and encoder.latent[0] in WAYS else "other"


def _others(drawing: Drawing) -> pd.DataFrame:
    """The points that the paper prints of the dataset, and a user's own, as crosses: their z are all vectors."""
    printed = paper_points()
    theirs = drawing.others[drawing.others["label"] != PRINTED]
    found = pd.concat([printed[printed["dataset"] == drawing.dataset], theirs], ignore_index=True)
    return found.assign(family=None)


def _draw_families(axes: Axes, runs: pd.DataFrame, *, narrow: bool) -> None:
    """One marker for each family, with its entry in the legend, kind by kind."""
    markers = cycle(MARKERS)
    for way, style in WAYS.items():
        mine = runs[runs["way"] == way]
        for words, same in mine.groupby("family"):
            family = family_of(str(words))
            label = f"{way}: {family.signs if narrow else family.label}"
            axes.plot(
                same["rate"], same["distortion"], linestyle="none", marker=next(markers), markersize=6, zorder=3,
                label=label, **style,
            )  # fmt: skip


def _draw_bounds(axes: Axes, drawing: Drawing) -> None:
    best, entropy = drawing.best_neg_elbo, drawing.entropy
    axes.axline((0, best), slope=-1, color=DARK, linestyle="--", zorder=1, label=f"best −ELBO {best:.2f}")
    if entropy is not None:
        axes.axline((0, entropy), slope=-1, color=BOUND, zorder=1, label=f"D = H − R, H {entropy:.2f}")


def _write_neg_elbos(figure: Figure, axes: Axes, runs: pd.DataFrame, others: pd.DataFrame) -> None:
    """Write R + D beside each point where there is room, those of least D first."""
    colours = runs["way"].map(lambda way: WAYS[way]["color"])
    every = pd.concat([runs.assign(colour=colours), others.assign(colour="0.2")]).sort_values("distortion")
    points = every[["rate", "distortion"]].to_numpy(float)
    free = FreePlaces(figure, axes, points)
    for point, colour in zip(points, every["colour"], strict=True):
        free.write(f"{point.sum():.1f}", point, colour)
