"""Each model's own rate-distortion curve, by annealing, below the point that its encoder reaches."""

from itertools import cycle

from matplotlib.figure import Figure

from rdbench.analysis.frame import labels
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.history import DASHES
from rdbench.analysis.plots.points import scatter_families
from rdbench.analysis.plots.style import legend_outside, look, set_title
from rdbench.config.family import family_of


def curve(drawing: Drawing) -> Figure:
    """D against R of m(z) d(x|z)^t / Z_t for t up to 1: the best that any encoder reaches with these parts.

    "Evaluating lossy compression rates of deep generative models" (Huang et al., 2020,
    https://arxiv.org/abs/2008.06653).
    """
    runs = drawing.runs
    runs = runs[runs["ais_rates"].notna()] if "ais_rates" in runs else runs.iloc[:0]
    if runs.empty:
        measure = drawing.command("evaluate", "--ais 500")
        raise NothingToDrawError(f"no run has a curve of its own; measure it with: {measure}")
    figure = drawing.figure(min(4.2, 0.85 * drawing.width))
    axes = figure.subplots()
    scatter_families(axes, drawing, runs, "rate", "distortion")
    for words, run, dashes in zip(labels(runs), runs.to_dict("records"), cycle(DASHES), strict=False):
        colour = look(family_of(run["family"]))["color"]
        axes.plot(
            run["ais_rates"],
            run["ais_distortions"],
            color=colour,
            linestyle=dashes,
            linewidth=0.8,
            label=f"curve of {words}",
        )
    axes.set_ylim(0.9 * runs["distortion"].min(), 2 * runs["distortion"].max())
    axes.set_xlabel(f"rate R ({drawing.unit})")
    axes.set_ylabel(f"distortion D ({drawing.unit})")
    set_title(figure, f"Points of encoders above their models' own curves: {drawing.title}")
    legend_outside(figure)
    return figure
