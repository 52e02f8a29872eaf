"""Figures of what finished runs are judged by: labels, annealing, and the estimators of gradients."""

import numpy as np
import pytest
from matplotlib.text import Text

from rdbench.analysis.plots import drawing_of
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.style import own_style
from rdbench.config.family import family_of
from rdbench.data import DATASETS
from rdbench.store.schema import Record
from rdbench.store.store import Store


def drawn(kind, store, runs, width=7.0):
    with own_style():
        figure = drawing_of(kind)(Drawing(store, runs, width=width))
        figure.draw_without_rendering()
    assert {text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()} == {8}
    return figure


def line(axes, label):
    (found,) = (each for each in axes.lines if str(each.get_label()).startswith(label))
    return np.column_stack(found.get_data())


@pytest.mark.parametrize(
    ("data", "words"), [("d", "bound min(R, H(Y))"), (DATASETS["sprites"].sha256, "frontier min(R, H(Y))")]
)
def test_the_bottleneck_has_the_points_and_the_bound_of_its_labels(store, invented, data, words):
    """Exact on sprites, whose shape is known from the image; a bound elsewhere."""
    runs = invented(6, labels="shape", entropy=1.386, family="gaussian-linear-gaussian", dataset_sha256=data)
    runs = runs.assign(label_information=np.linspace(0, 1.3, 6), label_information_se=0.01)
    (axes,) = drawn("bottleneck", store, runs).axes
    bound = line(axes, words)
    assert bound[:2] == pytest.approx(np.array([[0, 0], [1.386, 1.386]])) and bound[2, 1] == pytest.approx(1.386)
    points = line(axes, "gaussian-linear-gaussian")
    assert points == pytest.approx(runs[["rate", "label_information"]].to_numpy())
    assert "nats per image" in axes.get_xlabel() and "by the decoder" in axes.figure.get_suptitle()


def test_the_bottleneck_of_unsupervised_runs_is_that_of_their_probes(store, invented):
    """Of those that have one; and H(Y) is that of the probe, for the entropy of the runs is of their images."""
    nats = np.where(np.arange(24) < 12, np.nan, 1.5)
    runs = invented(entropy=80.0, probe_information=nats, probe_information_se=0.1, probe_entropy=2.3)
    (axes,) = drawn("bottleneck", store, runs).axes
    assert line(axes, "bound")[1] == pytest.approx([2.3, 2.3])
    names = {family_of(words).label for words in runs["family"]}
    assert sum(len(each.get_xdata()) for each in axes.lines if each.get_label() in names) == 12
    assert "by a linear probe" in axes.figure.get_suptitle()


def test_curves_are_drawn_through_their_temperatures_under_the_points(store, invented):
    runs = invented(2)
    runs["ais_rates"] = [np.array([0.0, 1.0, 5.0]), None]
    runs["ais_distortions"] = [np.array([200.0, 150.0, 90.0]), None]
    (axes,) = drawn("curve", store, runs).axes
    assert line(axes, "curve of").tolist() == [[0, 200], [1, 150], [5, 90]]
    point = line(axes, family_of(runs["family"].iloc[0]).label)
    assert point == pytest.approx(runs[["rate", "distortion"]].to_numpy()[:1])
    low, high = axes.get_ylim()
    assert low < runs["distortion"].iloc[0] < high


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("bottleneck", "rdbench evaluate .*/store --labels"),
        ("curve", "rdbench evaluate .*/store --ais 500"),
        ("race", "--set gradient=rloo,gumbel"),
    ],
)
def test_runs_without_the_numbers_are_told_how_to_get_them(store, invented, kind, told):
    with pytest.raises(NothingToDrawError, match=told):
        drawing_of(kind)(Drawing(store, invented()))


@pytest.fixture
def raced(tmp_path, invented):
    """Two gradients of two seeds at two β, each of three epochs, and their store."""
    runs = invented(8, family="bernoulli-deconv-uniform", encoder="bernoulli", beta=[0.5, 1.0] * 4)
    runs["latent_dim"] = 16
    runs["gradient"] = ["score"] * 4 + ["gumbel"] * 4
    store = Store(tmp_path / "raced")
    store.prepare()
    for index, row in enumerate(runs.to_dict("records")):
        history = {"run_id": [row["run_id"]] * 4, "epoch": [0, 1, 2, 3], "beta": [1.0] * 4, "valid_rate": [10.0] * 4}
        history |= {"valid_distortion": [500.0, 190.0 + index, 140.0, 90.0], "seconds": [0.0, 2.0, 2.0, 3.0]}
        none = {"run_id": [], "index": []}
        store.write(Record(row["run_id"], row, history, none, {"weight": np.zeros(1, np.float32)}))
    return store, runs


@pytest.mark.parametrize("width", [3.15, 7.0])
def test_a_race_joins_the_means_of_seeds_along_the_seconds_so_far(raced, width):
    store, runs = raced
    figure = drawn("race", store, runs.assign(entropy=80.0), width)
    times, plane = figure.axes[::2], figure.axes[1::2]
    assert [axes.get_title(loc="left") for axes in times] == ["bernoulli, β 0.5", "bernoulli, β 1"]
    # at β 0.5 the runs of score are the first and the third, those of gumbel the fifth and the seventh
    assert line(times[0], "score") == pytest.approx(np.array([[2, 201], [4, 150], [7, 100]]))
    assert line(times[0], "gumbel") == pytest.approx(np.array([[2, 205], [4, 150], [7, 100]]))
    assert line(times[0], "H ")[:, 1].tolist() == [80, 80]
    drawn_points = np.concatenate([np.column_stack(each.get_data()) for axes in plane for each in axes.lines])
    expected = runs.sort_values(["beta", "gradient"], ascending=[True, False])[["rate", "distortion"]].to_numpy()
    assert drawn_points == pytest.approx(expected)
    assert "nats per image" in times[0].get_ylabel() and times[0].get_xlabel() == "seconds of training"


def dotted(figure):
    """The heights of the dotted lines, by row."""
    return [[line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":" and len(line.get_ydata())]
            for axes in figure.axes[::2]]  # fmt: skip


def test_a_race_shows_what_jang_et_al_print_for_the_same_latents_at_beta_1(raced):
    store, runs = raced
    runs = runs.assign(dataset="mnist", latent_dim=200)
    assert dotted(drawn("race", store, runs)) == [[], [105.0, 112.2]]
    for other in ({"latent_dim": 100}, {"dataset": "sprites"}):
        assert dotted(drawn("race", store, runs.assign(**other))) == [[], []]
    categories = runs.assign(encoder="categorical", latent_dim=20)
    assert dotted(drawn("race", store, categories.assign(categories=10))) == [[], [101.5, 110.6]]
    assert dotted(drawn("race", store, categories.assign(categories=8))) == [[], []]
