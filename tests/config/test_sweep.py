import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rdbench.config.family import FAMILIES, parse_family
from rdbench.config.parts import BIT_GRADIENTS, CATEGORICAL_GRADIENTS, OWN
from rdbench.config.run_config import GRID_KEYS, RunConfig, make_run
from rdbench.config.sweep import load_sweep, packaged_sweeps, parse_assignments
from rdbench.errors import UserError

NOT_OF_TWELVE = ("toy", "vib", "discrete", "autoencoding-limit")
OBJECTIVES = {part.name: part.takes for part in OWN if part.kind == "objective"}


@pytest.mark.parametrize("name", [name for name in packaged_sweeps() if name not in NOT_OF_TWELVE])
def test_packaged_sweeps_cover_all_families(name):
    assert {run.family for run in load_sweep(name).runs()} == set(FAMILIES)


def test_the_demo_has_all_families_at_one_beta_and_two_along_it():
    runs = load_sweep("demo").runs()
    assert [run.family for run in runs if run.beta == 1] == list(FAMILIES)
    along = {run.family.signs: sorted(other.beta for other in runs if other.family == run.family) for run in runs}
    assert sum(len(betas) >= 3 for betas in along.values()) >= 2
    assert "beta" in load_sweep("demo").varying


def test_further_grids_have_values_of_their_own_until_others_are_given(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("family = ['---', '+++']\nepochs = 3\n[[also]]\nfamily = '---'\nbeta = [0.5, 1.0]\n")
    sweep = load_sweep(str(path))
    assert [(run.family.signs, run.beta, run.epochs) for run in sweep.runs()] == [
        ("---", 1, 3),
        ("+++", 1, 3),
        ("---", 0.5, 3),
    ]
    assert [(run.family.signs, run.beta) for run in sweep.with_values({"beta": 2}).runs()] == [("---", 2), ("+++", 2)]
    assert {run.epochs for run in sweep.with_values({"epochs": 7}).runs()} == {7}
    assert len(sweep.with_values({"epochs": 7}).runs()) == 3


def points(sweep, *keys):
    """What the runs of a sweep say of these keys, one or several settings of parts among them."""
    return [tuple((vars(run) | run.settings | {"family": run.family.signs}).get(key) for key in keys)
            for run in sweep.runs()]  # fmt: skip


def test_a_family_is_chosen_from_every_grid_and_keeps_its_values():
    sweep = load_sweep("demo").with_values({"family": ["-+v", "+++"]})
    assert points(sweep, "family", "beta") == [("-+v", 1), ("+++", 1), ("-+v", 0.1), ("-+v", 3)]
    limit = load_sweep("autoencoding-limit")
    chosen = limit.with_values({"family": "vq-deconv-pixelcnn"})
    assert points(chosen, "codes", "grid", "features", "latent_dim") == [
        (16, 14, "patch", 4),
        (16, 14, "trunk", 4),
        (512, 7, "trunk", 16),
    ]
    everything = [family for grid in limit.grids for family in grid["family"]]
    assert limit.with_values({"family": everything}).runs() == limit.runs()


def test_a_family_that_is_in_no_grid_has_the_values_of_the_first():
    limit = load_sweep("autoencoding-limit")
    families = ["gaussian-deconv-vamp", "bernoulli-deconv-autoregressive"]
    assert points(limit.with_values({"family": families}), "encoder", "marginal", "beta", "latent_dim") == [
        ("gaussian", "vamp", 0.02, 64),
        ("bernoulli", "autoregressive", 0.1, 400),
        ("bernoulli", "autoregressive", 0.02, 400),
    ]


def test_a_value_is_replaced_in_every_grid_and_a_setting_where_a_part_has_it():
    gradients = load_sweep("discrete").with_values({"gradient": "rloo", "beta": 2, "seed": 7})
    assert points(gradients, "encoder", "gradient", "latent_dim", "beta", "seed") == [
        ("bernoulli", "rloo", 200, 2, 7), ("categorical", "rloo", 20, 2, 7)
    ]  # fmt: skip
    limit = load_sweep("autoencoding-limit")
    before, after = (points(sweep, "family", "codes", "grid") for sweep in (limit, limit.with_values({"codes": 32})))
    assert {point for point in after if point[1]} == {(family, 32, grid) for family, codes, grid in before if codes}
    assert [point for point in after if not point[1]] == [point for point in before if not point[1]]
    with pytest.raises(UserError, match="categories is a setting of encoder categorical"):
        limit.with_values({"categories": 3}).runs()


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
        ("also = 3", "found also = 3; expected tables"),
        ("[[also]]\nbets = 1", "unknown key 'bets'"),
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
    assert set(RunConfig.model_fields) - set(GRID_KEYS) == {"encoder", "decoder", "marginal", "sources"}


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
        with pytest.raises(UserError, match="is not a setting of objective"):
            load_sweep(str(path)).with_values({"seed": 3}).runs()
    path.write_text('objective = [["x"]]')
    with pytest.raises(UserError, match="objective: found"):
        load_sweep(str(path))


def test_seeds_of_one_description_stand_side_by_side():
    runs = load_sweep("toy").with_values({"anneal_epochs": [0, 5], "objective": "target-rate"}).runs()
    assert [run.seed for run in runs] == [*range(10), *range(10)]


COUNT = st.integers(1, 1000)
VALUES = {
    "family": st.sampled_from([name for family in FAMILIES for name in (family.words, family.signs)]),
    "dataset": st.sampled_from(["mnist", "sprites", '../my "own".npz']),
    "width": st.floats(0.001, 8),
    "latent_dim": COUNT,
    "pseudo_inputs": COUNT,
    "epochs": st.integers(100, 2**63 - 1),
    "batch_size": COUNT,
    "learning_rate": st.floats(1e-12, 1),
    "warmup": st.floats(0, 0.5),
    "schedule": st.sampled_from(["paper", "constant", "linear", "cosine"]),
    "average": st.floats(0, 0.9999),
    "precision": st.sampled_from(["float32", "bfloat16"]),
    "seed": st.integers(0, 2**63 - 1),
    "rate_samples": COUNT,
    "train_images": COUNT | st.just("all"),
    "evaluation_images": COUNT | st.just("all"),
    "generated_images": COUNT,
    "train_information": st.booleans(),
    "binarise": st.sampled_from(["threshold", "bernoulli"]),
    "allow_untrained": st.booleans(),
}
"""What a value of each key may be, but for those of objectives."""

SETTINGS = {
    "beta": st.floats(0, 1e30),
    "anneal_epochs": st.integers(1, 100),
    "anneal_from": st.floats(0, 1e30),
    "target_rate": st.floats(0, 1e30),
    "free_nats": st.floats(0, 1e30),
    "train_samples": COUNT,
}


def several(values, most=3):
    return st.lists(values, min_size=1, max_size=most)


@st.composite
def grids(draw):
    """A valid grid: keys in any order, each with its values."""
    keys = draw(st.lists(st.sampled_from([*VALUES, "iwae"]), unique=True, max_size=3))
    objectives = draw(st.none() | st.lists(st.sampled_from(sorted(OBJECTIVES)), min_size=1, max_size=2, unique=True))
    taken = {key for objective in objectives or ["beta-vae"] for key in OBJECTIVES[objective]}
    grid = {key: draw(several(COUNT if key == "iwae" else VALUES[key])) for key in keys}
    grid |= {key: draw(several(SETTINGS[key], 2)) for key in draw(st.permutations(sorted(taken)))}
    if objectives:
        grid["objective"] = objectives
    if set(grid.get("binarise", ())) == {"bernoulli"}:
        grid["binarise_seed"] = draw(several(st.integers(0, 2**32 - 1)))
    order = draw(st.permutations(list(grid)))
    return {key: grid[key] for key in order}


def toml(value):
    """A value as TOML has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(item)}' for key, item in value.items())}}}"
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)


def loaded(grid):
    """The sweep in a file of a grid; a list of one value stands there as that value."""
    lines = [f"{key} = {toml(value[0] if isinstance(value, list) and len(value) == 1 else value)}" for key, value in
             grid.items()]  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return load_sweep(str(path))


@settings(max_examples=150)
@given(grids())
def test_a_file_is_every_combination_of_its_values_once(grid):
    families = [parse_family(name) for name in grid.get("family", [family.words for family in FAMILIES])]
    keys = [key for key in grid if key not in ("family", "seed", "iwae")]
    asked = {"iwae": grid["iwae"]} if "iwae" in grid else {}
    expected = []
    for values in product(*(grid[key] for key in keys)):
        point = dict(zip(keys, values, strict=True)) | asked
        mine = OBJECTIVES[point.get("objective", "beta-vae")]
        point = {key: value for key, value in point.items() if key not in SETTINGS or key in mine}
        for seed in grid.get("seed", [0]):
            expected += [make_run(point | {"seed": seed} | family._asdict()) for family in families]
    found = loaded(grid).runs()
    assert found == list(dict.fromkeys(expected))
    assert [run.run_id("0" * 64) for run in found] == [run.run_id("0" * 64) for run in dict.fromkeys(expected)]


@settings(max_examples=100)
@given(grids(), st.data())
def test_a_misspelt_key_is_named(grid, data):
    key = data.draw(st.sampled_from(list(grid)))
    place = data.draw(st.integers(0, len(key)))
    letters = data.draw(st.sampled_from(["", "s", "_", "x", "A"]))
    wrong = key[:place] + letters + key[place + data.draw(st.integers(0, 1)) :]
    assume(wrong and wrong not in (*GRID_KEYS, "description"))
    with pytest.raises(UserError, match=f"^unknown key '{wrong}'"):
        loaded({wrong if name == key else name: values for name, values in grid.items()}).runs()


NOT_A_COUNT = [0, -1, 1.5, "many", float("nan"), float("inf"), 2**63, 10**400, {"a": 1}, [[1]]]
NOT_A_NUMBER = [-1, "much", float("nan"), float("inf"), 10**400, {"a": 1}, [[1]]]
NOT_AN_ANSWER = ["perhaps", 2, 0.5, {"a": 1}]
NOT_A_WORD = ["evil", 3, True, [["all"]], {"a": 1}]
WRONG = {
    **dict.fromkeys(["latent_dim", "pseudo_inputs", "batch_size", "rate_samples", "train_images",
                     "evaluation_images", "generated_images", "train_samples", "iwae"], NOT_A_COUNT),
    **dict.fromkeys(["beta", "anneal_from", "target_rate", "free_nats"], NOT_A_NUMBER),
    **dict.fromkeys(["precision", "objective", "family", "binarise", "schedule"], NOT_A_WORD),
    "width": [0, 8.5, *NOT_A_NUMBER],
    "learning_rate": [0, *NOT_A_NUMBER],
    "warmup": [0.6, *NOT_A_NUMBER],
    "average": [1, *NOT_A_NUMBER],
    **dict.fromkeys(["epochs", "anneal_epochs", "marginal_epochs"], NOT_A_COUNT[1:]),
    **dict.fromkeys(["seed", "binarise_seed"], NOT_A_COUNT[1:]),
    "train_information": NOT_AN_ANSWER,
    "allow_untrained": NOT_AN_ANSWER,
    **dict.fromkeys(["dataset", "labels"], NOT_A_WORD[1:]),
}  # fmt: skip


@settings(max_examples=250)
@given(grids(), st.data())
def test_a_value_of_a_wrong_kind_or_size_is_refused_with_its_key(grid, data):
    key = data.draw(st.sampled_from(sorted(grid)))
    wrong = data.draw(st.sampled_from([[], *WRONG[key]]))
    place = data.draw(st.integers(0, len(grid[key])))
    values = [*grid[key][:place], wrong, *grid[key][place:]] if wrong != [] else []
    with pytest.raises(UserError, match=f"^({key}: found |unknown {key} |{key} )") as error:
        loaded(grid | {key: values}).runs()
    assert str(error.value).isprintable()


def test_every_key_can_be_wrong():
    others = {"iwae", "objective", "binarise_seed", "labels", "marginal_epochs"}
    assert set(WRONG) == set(GRID_KEYS) == {*VALUES, *SETTINGS, *others}


def test_vib_goes_along_beta_with_labels_for_images():
    runs = load_sweep("vib").runs()
    assert {(run.family.words, run.labels) for run in runs} == {("gaussian-linear-gaussian", "digit")}
    assert len({run.beta for run in runs}) == len(runs) == 8


def test_discrete_has_every_gradient_of_bits_and_of_categories():
    sweep = load_sweep("discrete")
    runs = sweep.runs()
    for encoder, gradients in (("bernoulli", BIT_GRADIENTS), ("categorical", CATEGORICAL_GRADIENTS)):
        points = [(run.settings["gradient"], run.beta, run.seed) for run in runs if run.encoder == encoder]
        assert sorted(points) == sorted(product(gradients, (0.5, 1.0), (0, 1, 2)))


def test_pseudo_inputs_are_refused_where_no_marginal_has_any():
    """Of several families one is enough; a sweep's own file may name them for whichever families are chosen."""
    sweep = load_sweep("demo")
    for families in (["bernoulli-deconv-uniform"], ["---", "gaussian-deconv-realnvp"]):
        with pytest.raises(UserError, match=r"pseudo_inputs: marginal .* takes none; marginals that do: vamp"):
            sweep.with_values({"family": families, "pseudo_inputs": "10"})
    assert len(sweep.with_values({"family": ["---", "--v"], "beta": 1, "pseudo_inputs": "10"}).runs()) == 2
    assert len(sweep.with_values({"family": ["--v"]}).runs()) == 1


def test_runs_of_several_families_are_labelled_by_the_settings_that_each_has():
    runs = loaded({"family": ["bernoulli-deconv-uniform", "categorical-deconv-uniform"], "categories": [3, 5]})
    labels = {run.label(runs.varying) for run in runs.runs()}
    assert labels == {
        "bernoulli-deconv-uniform  β 1", "categorical-deconv-uniform  β 1  categories 3",
        "categorical-deconv-uniform  β 1  categories 5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bet = 0.5", "unknown key 'bet'; did you mean 'beta'"),
        ("beta = [0.5, -1]", "beta: found -1"),
        ("epochs = 1.5", "epochs: found 1.5"),
        ("iwae = [1, 'a']", "iwae: found 'a'"),
        ("seed = [0, 0", "mine.toml is not valid TOML"),
        (f"seed = {list(range(1000))}\nepochs = {list(range(1, 1001))}", "found 12,000,000 runs; expected at most"),
    ],
)
def test_a_broken_file_ends_a_command_with_2(tmp_path, text, told):
    (tmp_path / "mine.toml").write_text(text)
    command = [sys.executable, "-m", "rdbench", "sweep", "mine.toml", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert told in done.stderr and done.stderr.count("\n") == 1
