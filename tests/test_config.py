import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbench.config import GRID_KEYS, RunConfig, load_sweep, make_run, packaged_sweeps, parse_assignments
from rdbench.errors import UserError
from rdbench.family import FAMILIES

runs = st.builds(
    RunConfig,
    dataset=st.sampled_from(["mnist", "sprites"]),
    width=st.floats(0.01, 8),
    beta=st.floats(0, 100),
    epochs=st.integers(100, 1000),
    anneal_epochs=st.integers(0, 100),
    seed=st.integers(0, 2**63 - 1),
    iwae=st.lists(st.integers(1, 5000), min_size=1).map(tuple),
)


@given(runs)
def test_a_run_survives_json_and_keeps_its_id(run):
    again = make_run(json.loads(run.model_dump_json()))
    assert again == run
    assert again.run_id("0" * 64) == run.run_id("0" * 64)


@given(runs, runs)
def test_different_runs_have_different_ids(one, other):
    assert (one == other) == (one.run_id(f"bits of {one.dataset}") == other.run_id(f"bits of {other.dataset}"))


def test_run_id_knows_the_data_by_checksum_and_not_by_path():
    here, there = RunConfig(dataset="/a/faces.npz"), RunConfig(dataset="/b/faces.npz")
    assert here.run_id("1" * 64) == there.run_id("1" * 64) != here.run_id("2" * 64)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"beta": -1}, "beta: found -1; .*greater than or equal to 0"),
        ({"beta": "nan"}, "beta: .*finite"),
        ({"iwae": [0]}, "iwae: found 0; .*greater than or equal to 1"),
        ({"iwae": []}, "iwae: .*at least one k"),
        ({"epochs": 0}, "epochs: found 0"),
        ({"epochs": 10, "anneal_epochs": 20}, "anneal_epochs 20 is more than epochs 10"),
        ({"widht": 2}, "unknown key 'widht'; did you mean 'width'"),
        ({"decoder": "deconvv"}, "decoder: found 'deconvv'; .*'deconv'"),
        ({"width": 0}, "width: found 0"),
    ],
)
def test_bad_values_are_refused_in_one_line_that_names_them(values, told):
    with pytest.raises(UserError, match=told) as caught:
        make_run(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in packaged_sweeps() if name != "toy"])
def test_packaged_sweeps_cover_all_families(name):
    assert {run.family for run in load_sweep(name).runs()} == set(FAMILIES)


def test_mnist_sweep_is_the_papers_protocol():
    runs = load_sweep("mnist").runs()
    assert {run.beta for run in runs} >= {0.1, 1.0, 10.0}
    assert {run.anneal_epochs > 0 for run in runs} == {True, False}
    assert {(run.epochs, run.learning_rate, run.width, run.latent_dim) for run in runs} == {(200, 3e-4, 1.0, 64)}


def test_given_values_replace_those_of_the_sweep():
    sweep = load_sweep("demo").with_values({"family": ["-+v", "---"], "beta": ["0.5", "2"], "iwae": ["7", "3"]})
    assert [(run.family.signs, run.beta) for run in sweep.runs()] == [
        ("-+v", 0.5),
        ("---", 0.5),
        ("-+v", 2),
        ("---", 2),
    ]
    assert sweep.runs()[0].iwae == (3, 7)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bets = 1", "unknown key 'bets'; did you mean 'beta'"),
        ("beta = []", "beta: found an empty list"),
        ("beta = ", "not valid TOML"),
        ("family = ['+++', '+-x']", "unknown family"),
        ("family = 3", "family: found 3"),
    ],
)
def test_bad_sweep_files_are_refused(tmp_path, text, told):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        load_sweep(str(path)).runs()


def test_missing_sweeps_are_refused():
    with pytest.raises(UserError, match="unknown sweep 'mnits'; did you mean 'mnist'"):
        load_sweep("mnits")
    with pytest.raises(UserError, match="cannot read the sweep"):
        load_sweep("nowhere.toml")


def test_assignments_need_an_equals_sign():
    with pytest.raises(UserError, match="expected key=value"):
        parse_assignments(["width"])


def test_every_key_of_a_run_can_be_set():
    assert set(RunConfig.model_fields) - set(GRID_KEYS) == {"encoder", "decoder", "marginal"}


def test_an_objective_replaces_the_settings_of_the_sweeps_own():
    sweep = load_sweep("mnist-short").with_values({"objective": "target-rate", "target_rate": ["8", "16", "32"]})
    runs = sweep.runs()
    assert len(runs) == 12 * 2 * 3
    assert {(run.beta, run.target_rate) for run in runs} == {(None, 8), (None, 16), (None, 32)}


def test_of_several_objectives_each_takes_its_own_settings():
    runs = load_sweep("toy").runs()
    assert len(runs) == 30
    assert {(run.objective, run.beta, run.target_rate) for run in runs} == {
        ("beta-vae", 1, None),
        ("target-rate", None, 0.5),
        ("target-rate-penalty", None, 0.5),
    }


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"target_rate": 8}, "target_rate 8.0 is no setting of objective beta-vae"),
        ({"objective": "target-rate", "target_rate": 8, "beta": 1}, "beta 1.0 is no setting of objective target-rate"),
        ({"objective": "target-rate"}, "needs target_rate"),
        ({"objective": "target-rate", "target_rate": -1}, "greater than or equal to 0"),
        ({"objective": "free-bits", "free_nats": 1, "anneal_epochs": 2}, "anneal_epochs 2 is no setting"),
        ({"objective": "iwae"}, "needs train_samples"),
        ({"anneal_from": 2}, "set anneal_epochs"),
        ({"dataset": "toy"}, "goes with discrete-discrete-discrete"),
        ({"encoder": "discrete"}, "goes with discrete-discrete-discrete"),
        ({"iwae": []}, "at least one k"),
    ],
)
def test_settings_that_contradict_are_refused(values, told):
    with pytest.raises(UserError, match=told):
        make_run(values)


def test_a_setting_added_later_leaves_the_names_of_older_runs():
    """A run of results/demo, described before there were other objectives."""
    demo = load_sweep("demo").runs()[0]
    sprites = "886289882fcc86549af392fbf3314f4c101c427dc4b07857b362167497720cf5"
    assert demo.run_id(sprites) == "ae5fecfbd1999ea8"
    assert demo.model_copy(update={"generated_images": 7}).run_id(sprites) != "ae5fecfbd1999ea8"


def test_a_files_own_contradiction_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    for text in ('objective = "target-rate"\ntarget_rate = 8\nbeta = [0.5, 2]', "beta = 1\ntarget_rate = 3"):
        path.write_text(text)
        with pytest.raises(UserError, match="is no setting of objective"):
            load_sweep(str(path)).with_values({"seed": 3}).runs()
    path.write_text('objective = [["x"]]')
    with pytest.raises(UserError, match="objective: found"):
        load_sweep(str(path))


def test_seeds_of_one_description_stand_side_by_side():
    runs = load_sweep("toy").with_values({"anneal_epochs": [0, 5], "objective": "target-rate"}).runs()
    assert [run.seed for run in runs] == [*range(10), *range(10)]
