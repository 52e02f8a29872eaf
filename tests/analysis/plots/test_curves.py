import numpy as np

from rdbench.analysis.plots import drawing_of
from rdbench.analysis.plots.curves import NEAR, curves
from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.style import own_style


def test_a_curve_joins_one_family_along_beta_and_means_of_seeds(invented):
    runs = invented(6, family="iaf-deconv-maf", beta=[1.0, 0.5, 10.0, 1.0, 0.5, 10.0], seed=[0, 0, 0, 1, 1, 1])
    (curve,) = curves(runs, "rate", "distortion")
    assert curve.aims == ["β 0.5", "β 1", "β 10"]
    means = runs.groupby("beta")[["rate", "distortion"]].mean()
    assert curve.points.tolist() == means.to_numpy().tolist()


def test_other_settings_are_another_curve_and_one_beta_is_none(invented):
    narrow, wide = (f'{{"iwae": [1], "width": {width}}}' for width in (0.1, 1.0))
    runs = invented(5, family="iaf-deconv-maf", beta=[1.0, 2.0, 1.0, 2.0, 3.0], config=[narrow] * 2 + [wide] * 3)
    assert [curve.aims for curve in curves(runs, "rate", "distortion")] == [["β 1", "β 2"], ["β 1", "β 2", "β 3"]]
    assert not list(curves(runs.iloc[:1], "rate", "distortion"))


def test_runs_of_an_objective_that_is_not_installed_are_drawn_without_a_curve(store, invented):
    runs = invented(4, family="mine-deconv-gaussian", objective="theirs", beta=np.nan)
    assert not list(curves(runs, "rate", "distortion"))
    drawing_of("plane")(Drawing(store, runs))


def test_beta_is_written_at_ends_where_it_hides_no_other(store, invented):
    with own_style():
        figure = drawing_of("plane")(Drawing(store, invented(60, beta=np.repeat([0.1, 0.5, 1, 2, 4], 12))))
        figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert {text.get_text() for text in figure.axes[0].texts} == {"β 0.1", "β 4"}
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    assert NEAR > 0
