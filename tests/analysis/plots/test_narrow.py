"""Figures of published stores in the column of a paper: no text lies over another, no line is told by colour alone."""

from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.text import Text

from rdbench.analysis.frame import measured, sort_runs
from rdbench.analysis.plots import drawing_of
from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.style import own_style
from rdbench.store.store import Store

RESULTS = Path(__file__).parents[3] / "results"
COLUMN = 3.15
"""Inches: 80 mm."""


def drawn(kind, name, width=COLUMN):
    store = Store(RESULTS / name)
    runs = sort_runs(measured(store.read("runs").frame))
    _, mine = next(iter(runs.groupby("dataset")))
    with own_style():
        figure = drawing_of(kind)(Drawing(store, mine, width=width))
        figure.draw_without_rendering()
    return figure


def labels_out_of_view(figure):
    """Labels that matplotlib keeps for ticks beyond the ends of an axis, and does not draw."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True):
            if not low <= place <= high:
                yield label


@pytest.mark.parametrize(
    ("kind", "name"),
    [("bottleneck", "bottleneck"), ("phase", "bottleneck"), ("phase", "target-rate"), ("phase", "flows"),
     ("attribution", "toy"), ("attribution", "flows")],
)  # fmt: skip
def test_no_text_lies_over_another(kind, name):
    figure = drawn(kind, name)
    hidden = list(labels_out_of_view(figure))
    texts = [
        text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip() and text not in hidden
    ]
    boxes = [(text.get_text(), Text.get_window_extent(text)) for text in texts]
    over = [(one, other) for (one, box), (other, beside) in combinations(boxes, 2) if box.padded(-1).overlaps(beside)]
    assert not over


def test_a_long_name_breaks_between_its_parts():
    (axes,) = drawn("attribution", "flows").axes
    names = {label.get_text() for label in axes.get_yticklabels()}
    assert "gaussian-deconv-\naffine_maf  β 0.1" in names or "gaussian-deconv-\naffine_maf β 0.1" in names


def test_curves_of_models_differ_in_their_dashes():
    lines = [line for line in drawn("curve", "flows").axes[0].lines if str(line.get_label()).startswith("curve of")]
    assert len(lines) == len({line.get_linestyle() for line in lines}) == 2
