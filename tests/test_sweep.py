import pytest

from rdbench.config import GRID_KEYS, RunConfig
from rdbench.errors import UserError
from rdbench.family import FAMILIES
from rdbench.sweep import load_sweep, packaged_sweeps, parse_assignments


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
