"""The ways to high rates: what is shown, told apart and written."""

import pandas as pd
import pytest

from rdbench.analysis.plots import drawing_of, paper_points
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.limit import WAYS
from rdbench.analysis.plots.style import own_style

FAMILIES = ["gaussian-deconv-maf", "bernoulli-deconv-autoregressive", "vq-deconv-pixelcnn", "vq2-deconv-pixelcnn"]


@pytest.fixture
def runs(invented):
    """Four families of three kinds of z, the last beyond what is shown."""
    return invented(4, family=FAMILIES, rate=[80.0, 90.0, 110.0, 305.6], distortion=[20.0, 15.0, 3.0, 5.0])


def drawn(store, runs, others=None):
    with own_style():
        figure = drawing_of("limit")(Drawing(store, runs, *([] if others is None else [others])))
        figure.draw_without_rendering()
    return figure.axes[0]


def test_each_kind_of_z_has_a_colour_and_each_family_a_marker(store, runs):
    axes = drawn(store, runs)
    lines = {line.get_label(): line for line in axes.lines}
    shown = [lines["vector: --+  gaussian-deconv-maf"], lines["bits: bernoulli-deconv-autoregressive"],
             lines["codes: vq-deconv-pixelcnn"]]  # fmt: skip
    assert [line.get_color() for line in shown] == [WAYS[way]["color"] for way in ("vector", "bits", "codes")]
    assert len({line.get_marker() for line in shown}) == len({line.get_markerfacecolor() for line in shown}) == 3
    assert "1 run beyond R 200" in lines and not any("vq2" in label for label in lines)
    assert "best −ELBO 100.00" in lines


@pytest.mark.parametrize("others", [None, paper_points()])
def test_the_papers_points_are_there_once_and_minus_elbo_is_written_where_it_hides_nothing(store, runs, others):
    axes = drawn(store, runs, others)
    printed = [line for line in axes.lines if 120.3 in line.get_xdata()]
    assert [list(line.get_xdata()).count(120.3) for line in printed] == [1]
    assert {"100.0", "105.0", "113.0", "128.4", "160.8"} <= {text.get_text() for text in axes.texts}
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)


def test_runs_of_one_kind_of_labels_or_of_low_rates_are_left_out(store, runs):
    low = runs.assign(distortion=400.0)
    for wrong, why in ((runs.iloc[2:], "one kind"), (runs.assign(labels="digit"), "explain labels"), (low, "none is")):
        with pytest.raises(NothingToDrawError, match=why):
            drawn(store, wrong)


def test_an_encoder_that_is_not_installed_is_drawn_as_other(store, runs):
    theirs = runs.iloc[:1].assign(family="mine-deconv-maf")
    axes = drawn(store, pd.concat([runs, theirs]))
    assert "other: mine-deconv-maf" in {line.get_label() for line in axes.lines}
