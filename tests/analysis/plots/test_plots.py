from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbench.analysis.plots import Look, draw, drawing_of, paper_points
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.plane import lower_left_hull
from rdbench.config.run_config import RunConfig
from rdbench.errors import UserError


@pytest.mark.parametrize("kind", ["plane", "skew", "history", "phase"])
@pytest.mark.parametrize("entropy", [80.0, np.nan])
def test_figures_have_titles_and_units(store, kind, entropy, invented):
    figure = drawing_of(kind)(Drawing(store, invented(entropy=entropy), paper_points()))
    texts = [axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes]
    assert any("nats per image" in text for text in texts)
    assert "mnist" in figure.get_suptitle()


def test_attribution_bars_sum_to_minus_elbo(store, invented):
    runs = invented(mutual_information=1.0, encoder_gap=1.0).assign(marginal_kl=lambda frame: frame["rate"] - 1)
    (axes,) = drawing_of("attribution")(Drawing(store, runs)).axes
    ends = np.array([bar.get_x() + bar.get_width() for bar in axes.patches[-len(runs) :]])
    assert ends == pytest.approx(-runs["elbo"].to_numpy())


def test_the_gap_is_to_the_largest_k_that_a_run_was_asked_for(store, invented):
    """Whatever k it was measured with since, of which the gap knows nothing."""
    gaps = {"mutual_information": 1.0, "encoder_gap": 1.0, "marginal_kl": 1.0}
    later = invented(**gaps).assign(iwae_5000=-80.0)
    mixed = later.assign(config=['{"iwae": [1, 5]}', '{"iwae": [50]}'] * 12)
    for runs, named in ((later, "gap to IWAE-5"), (mixed, "gap to the IWAE-k of largest k")):
        legend = drawing_of("attribution")(Drawing(store, runs)).legends[0]
        assert [text.get_text() for text in legend.get_texts()][2] == f"encoder's {named}"


def test_a_run_of_codes_has_no_gap_and_its_bar_still_sums(store, invented):
    runs = invented(2, mutual_information=1.0, encoder_gap=[1.0, np.nan], config=['{"iwae": [50]}', '{"iwae": []}'])
    drawn = drawing_of("attribution")(Drawing(store, runs.assign(marginal_kl=runs["rate"] - 1)))
    assert "encoder's gap to IWAE-50" in [text.get_text() for text in drawn.legends[0].get_texts()]
    ends = [bar.get_x() + bar.get_width() for bar in drawn.axes[0].patches[-2:]]
    assert ends == pytest.approx(list(-runs["elbo"]))


def test_only_runs_of_the_same_images_are_ranked(store, invented):
    """A lucky run on few images takes no place on the frontier of others, and bounds H for none."""
    lucky = {"rate": 1.0, "distortion": 1.0, "elbo": -2.0, "elbo_se": 40.0, "test_images": 10}
    many = invented()
    runs = pd.concat([many, invented(1).assign(**lucky)])
    drawing = Drawing(store, runs)
    assert sorted(map(len, drawing.frontiers)) == sorted([1, len(Drawing(store, many).frontiers[0])])
    assert drawing.best_neg_elbo == -many["elbo"].max()
    plane = drawing_of("plane")(drawing)
    assert [text.get_text() for text in plane.legends[0].get_texts()].count("frontier") == 1
    assert [text.get_text() for text in plane.legends[0].get_texts()] == [
        text.get_text() for text in drawing_of("plane")(Drawing(store, many)).legends[0].get_texts()
    ]


def test_what_cannot_be_told_from_information_is_hatched(store, invented):
    """At the ceiling log N = 5.30 of 200 images, and only there."""
    runs = invented(2, encoder_gap=1.0).assign(mutual_information=[5.25, 4.0], marginal_kl=[10.0, 3.0])
    (axes,) = drawing_of("attribution")(Drawing(store, runs)).axes
    parts = {bars.get_label().split(",")[0]: [bar.get_width() for bar in bars] for bars in axes.containers}
    assert parts["information or marginal KL"] == [10.0, 0.0]
    assert parts["marginal KL"] == [0.0, 3.0]
    (hatched,) = [bars for bars in axes.containers if bars.get_label().endswith("cannot be told")]
    assert all(bar.get_hatch() for bar in hatched)


def test_the_toy_is_measured_in_nats_per_value_and_exactly(store, invented):
    runs = invented(1, dataset="toy", family="discrete-discrete-discrete", mutual_information=1.0, marginal_kl=1.0)
    figure = drawing_of("attribution")(Drawing(store, runs.assign(encoder_gap=0.0)))
    assert "nats per value" in figure.axes[0].get_xlabel()
    assert "nats per value" in drawing_of("plane")(Drawing(store, runs)).axes[0].get_ylabel()


def test_samples_of_two_families_are_both_drawn(store, invented, monkeypatch):
    monkeypatch.setattr("rdbench.runs.trained.draw_samples", lambda store, run, data_dir: [np.zeros((2, 28, 28))] * 5)
    figure = drawing_of("samples")(Drawing(store, invented(family=["gaussian-deconv-maf", "iaf-deconv-maf"] * 12)))
    titles = [panel.get_suptitle() for panel in figure.subfigs if panel.get_suptitle()]
    assert len(titles) == 10  # of each family five β
    assert {title.split("\n")[0] for title in titles} == {"gaussian-deconv-maf", "iaf-deconv-maf"}
    figure = drawing_of("samples")(Drawing(store, invented()))
    assert "the family of best ELBO of 12" in figure.get_suptitle()
    assert len({panel.get_suptitle().split("\n")[0] for panel in figure.subfigs} - {""}) == 1


def test_attribution_without_its_columns_says_so(store, invented):
    with pytest.raises(NothingToDrawError, match="no mutual_information and no marginal_kl and no encoder_gap"):
        drawing_of("attribution")(Drawing(store, invented()))


def test_samples_without_fitting_checkpoints_say_so(store, invented):
    runs = invented(dataset="sprites", config=RunConfig(dataset="sprites", width=0.05).model_dump_json())
    with pytest.raises(UserError, match="does not hold this run's weights"):
        drawing_of("samples")(Drawing(store, runs))
    for path in (Path(str(store)) / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(NothingToDrawError, match="keeps no weights of these runs; to have them, do the runs again"):
        drawing_of("samples")(Drawing(store, runs))


def test_two_datasets_are_not_drawn_over_each_other(store, tmp_path, invented):
    runs = pd.concat([invented(), invented(dataset="omniglot", dataset_sha256="e")])
    paths, *_ = draw(store, runs, ["plane"], ["svg"], tmp_path / "figures")
    assert sorted(path.name for path in paths) == ["plane-mnist.svg", "plane-omniglot.svg"]


def test_the_same_runs_give_the_same_bytes(store, tmp_path, invented):
    for name in ("one", "two"):
        draw(store, invented(), ["plane", "skew"], ["svg", "png", "pdf"], tmp_path / name, Look(others=paper_points()))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_only_failed_runs_are_refused(store, tmp_path, invented):
    with pytest.raises(UserError, match="no run that ended well"):
        draw(store, invented(status="failed"), [], ["png"], tmp_path)


NATS = st.integers(0, 10**6).map(lambda number: number / 10**4)
"""As fine as any rate is measured; Qhull takes points 1e-20 apart for one."""


@given(st.lists(st.tuples(NATS, NATS), min_size=1, max_size=20))
def test_no_point_lies_below_the_hull(points):
    points = np.array(sorted(set(points)))
    best = points[np.unique(points[:, 0], return_index=True)[1]]
    hull = lower_left_hull(best)
    between = (best[:, 0] >= hull[0, 0]) & (best[:, 0] <= hull[-1, 0])
    assert (best[between, 1] >= np.interp(best[between, 0], *hull.T) - 1e-6).all()
