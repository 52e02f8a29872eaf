from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbench.analysis.plots import KINDS, draw
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.plane import lower_left_hull
from rdbench.config.family import FAMILIES
from rdbench.config.run_config import RunConfig
from rdbench.errors import UserError
from rdbench.store.schema import Record
from rdbench.store.store import Store


def invented(count=24, **columns):
    """Runs whose R + D is 85 and more, over all families."""
    generator = np.random.default_rng(0)
    families = [FAMILIES[index % 12] for index in range(count)]
    rate = np.linspace(0.0004, 80, count)
    runs = {
        "run_id": [f"{index:04d}" for index in range(count)],
        "dataset": "mnist", "dataset_sha256": "d", "status": "ok", "objective": "beta-vae",
        "anneal_epochs": 0, "seed": 0, "test_images": 200, "config": '{"iwae": [1, 5]}',
        "family": [family.words for family in families],
        "beta": 1 + np.arange(count) % 5 / 4,
        "rate": rate, "distortion": 85 - rate + generator.exponential(3, count),
    }  # fmt: skip
    frame = pd.DataFrame(runs | columns)
    frame["elbo"] = -(frame["rate"] + frame["distortion"])
    frame["iwae_5"] = frame["elbo"] + 1
    for name in ("rate", "distortion", "elbo", "iwae_5"):
        frame[f"{name}_se"] = 0.3
    return frame


@pytest.fixture
def store(tmp_path):
    """A store with the history of the invented runs."""
    store = Store(tmp_path / "store")
    store.prepare()
    for row in invented().to_dict("records"):
        epochs = [1, 2, 3]
        history = {"run_id": [row["run_id"]] * 3, "epoch": epochs, "beta": [0.5, 1, 1]}
        history |= {
            f"valid_{name}": [row[name] * (1 + 1 / epoch) for epoch in epochs] for name in ("rate", "distortion")
        }
        store.write(
            Record(row["run_id"], row, history, {"run_id": [], "index": []}, {"weight": np.zeros(1, np.float32)})
        )
    return store


@pytest.mark.parametrize("kind", ["plane", "skew", "history", "phase"])
@pytest.mark.parametrize("entropy", [80.0, np.nan])
def test_figures_have_titles_and_units(store, kind, entropy):
    figure = KINDS[kind](Drawing(store, invented(entropy=entropy), reference=True))
    texts = [axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes]
    assert any("nats per image" in text for text in texts)
    title = figure.axes[0].get_title(loc="left") or figure.axes[0].get_title() or figure.get_suptitle()
    assert "mnist" in title


def test_attribution_bars_sum_to_minus_elbo(store):
    runs = invented(mutual_information=1.0, encoder_gap=1.0).assign(marginal_kl=lambda frame: frame["rate"] - 1)
    (axes,) = KINDS["attribution"](Drawing(store, runs)).axes
    ends = np.array([bar.get_x() + bar.get_width() for bar in axes.patches[-len(runs) :]])
    assert ends == pytest.approx(-runs["elbo"].to_numpy())


def test_the_gap_is_to_the_largest_k_that_a_run_was_asked_for(store):
    """Whatever k it was measured with since, of which the gap knows nothing."""
    gaps = {"mutual_information": 1.0, "encoder_gap": 1.0, "marginal_kl": 1.0}
    later = invented(**gaps).assign(iwae_5000=-80.0)
    mixed = later.assign(config=['{"iwae": [1, 5]}', '{"iwae": [50]}'] * 12)
    for runs, named in ((later, "gap to IWAE-5"), (mixed, "gap to the IWAE-k of largest k")):
        legend = KINDS["attribution"](Drawing(store, runs)).legends[0]
        assert [text.get_text() for text in legend.get_texts()][2] == f"encoder's {named}"


def test_only_runs_of_the_same_images_are_ranked(store):
    """A lucky run on few images takes no place on the frontier of others, and bounds H for none."""
    lucky = {"rate": 1.0, "distortion": 1.0, "elbo": -2.0, "elbo_se": 40.0, "test_images": 10}
    many = invented()
    runs = pd.concat([many, invented(1).assign(**lucky)])
    drawing = Drawing(store, runs)
    assert sorted(map(len, drawing.frontiers)) == sorted([1, len(Drawing(store, many).frontiers[0])])
    assert drawing.best_neg_elbo == -many["elbo"].max()
    plane = KINDS["plane"](drawing)
    assert [text.get_text() for text in plane.legends[0].get_texts()].count("frontier (ticks: its members)") == 1
    assert [text.get_text() for text in plane.legends[0].get_texts()] == [
        text.get_text() for text in KINDS["plane"](Drawing(store, many)).legends[0].get_texts()
    ]


def test_attribution_without_its_columns_says_so(store):
    with pytest.raises(NothingToDrawError, match="no mutual_information and no marginal_kl and no encoder_gap"):
        KINDS["attribution"](Drawing(store, invented()))


def test_samples_without_fitting_checkpoints_say_so(store):
    runs = invented(dataset="sprites", config=RunConfig(dataset="sprites", width=0.05).model_dump_json())
    with pytest.raises(UserError, match="does not hold this run's weights"):
        KINDS["samples"](Drawing(store, runs))
    for path in (Path(str(store)) / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"there is no checkpoint .*safetensors"):
        KINDS["samples"](Drawing(store, runs))


def test_two_datasets_are_not_drawn_over_each_other(store, tmp_path):
    runs = pd.concat([invented(), invented(dataset="omniglot", dataset_sha256="e")])
    paths, _ = draw(store, runs, ["plane"], ["svg"], tmp_path / "figures", reference=False)
    assert sorted(path.name for path in paths) == ["plane-mnist.svg", "plane-omniglot.svg"]


def test_the_same_runs_give_the_same_bytes(store, tmp_path):
    for name in ("one", "two"):
        draw(store, invented(), ["plane", "skew"], ["svg", "png", "pdf"], tmp_path / name, reference=True)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_only_failed_runs_are_refused(store, tmp_path):
    with pytest.raises(UserError, match="no run that ended well"):
        draw(store, invented(status="failed"), [], ["png"], tmp_path, reference=False)


NATS = st.integers(0, 10**6).map(lambda number: number / 10**4)
"""As fine as any rate is measured; Qhull takes points 1e-20 apart for one."""


@given(st.lists(st.tuples(NATS, NATS), min_size=1, max_size=20))
def test_no_point_lies_below_the_hull(points):
    points = np.array(sorted(set(points)))
    best = points[np.unique(points[:, 0], return_index=True)[1]]
    hull = lower_left_hull(best)
    between = (best[:, 0] >= hull[0, 0]) & (best[:, 0] <= hull[-1, 0])
    assert (best[between, 1] >= np.interp(best[between, 0], *hull.T) - 1e-6).all()
