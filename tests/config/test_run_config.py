import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbench.config.run_config import RunConfig, make_run
from rdbench.errors import UserError

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


def test_how_grey_levels_became_bits_is_part_of_the_name():
    ways = [{}, {"binarise": "threshold"}, {"binarise": "bernoulli"}, {"binarise": "bernoulli", "binarise_seed": 1}]
    assert len({make_run(way).run_id("0" * 64) for way in ways}) == len(ways)
    drawn = make_run({"binarise": "bernoulli"})
    assert drawn.binarise_seed == 0  # recorded, though nobody set it
    assert drawn == make_run({"binarise": "bernoulli", "binarise_seed": 0})


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
        ({"epochs": -1}, "epochs: found -1"),
        ({"epochs": 10, "anneal_epochs": 20}, "anneal_epochs 20 is more than epochs 10"),
        ({"widht": 2}, "unknown key 'widht'; did you mean 'width'"),
        ({"decoder": "deconvv"}, "unknown decoder 'deconvv'; did you mean 'deconv'"),
        ({"width": 0}, "width: found 0"),
    ],
)
def test_bad_values_are_refused_in_one_line_that_names_them(values, told):
    with pytest.raises(UserError, match=told) as caught:
        make_run(values)
    assert "\n" not in str(caught.value)


BITS = {"encoder": "bernoulli", "marginal": "uniform"}
CATEGORIES = {"encoder": "categorical", "marginal": "uniform"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"target_rate": 8}, "target_rate 8.0 is not a setting of objective beta-vae"),
        ({"objective": "target-rate", "target_rate": 8, "beta": 1}, "beta 1.0 is not a setting of objective"),
        ({"objective": "target-rate"}, "needs target_rate"),
        ({"objective": "target-rate", "target_rate": -1}, "greater than or equal to 0"),
        ({"objective": "free-bits", "free_nats": 1, "anneal_epochs": 2}, "anneal_epochs 2 is not a setting"),
        ({"objective": "iwae"}, "needs train_samples"),
        ({"anneal_from": 2}, "set anneal_epochs"),
        ({"dataset": "toy"}, "goes with discrete-discrete-discrete"),
        ({"encoder": "discrete"}, "goes with discrete-discrete-discrete"),
        ({"iwae": []}, "at least one k"),
        ({"binarise_seed": 1}, "binarise_seed: found 1; only binarise=bernoulli draws"),
        ({"binarise": "threshold", "binarise_seed": 1}, "only binarise=bernoulli draws"),
        ({"binarise": "round"}, "binarise: found 'round'; .*'threshold' or 'bernoulli'"),
        (CATEGORIES | {"categories": 1}, "categories: found 1; .*greater than or equal to 2"),
        (CATEGORIES | {"gradient": "power"}, "gradient: found 'power'; expected score, rloo, straight-through, gumbel"),
        (BITS | {"gradient": "pathwise"}, "gradient: found 'pathwise'; expected score, .* or symmetric-power"),
        (BITS | {"temperature_rate": -1e-4}, "temperature_rate: found -0.0001; .*greater than or equal to 0"),
        (BITS | {"gradient_samples": 1}, "gradient_samples: found 1; .*greater than or equal to 2"),
        (BITS | {"categories": 3}, "categories is a setting of encoder categorical; found encoder bernoulli"),
        (BITS | {"objective": "iwae", "train_samples": 5}, "objective iwae needs the pathwise gradient"),
        (BITS | {"marginal": "vamp"}, "marginal vamp takes z of vector; encoder bernoulli gives bits"),
        (
            {"marginal": "uniform"},
            "marginal uniform takes z of bits or categories or codes; encoder gaussian gives vector",
        ),
        ({"gradient": "gumbel"}, "gradient: found 'gumbel'; expected pathwise, score or rloo"),
        (
            {"encoder": "iaf", "gradient": "score"},
            r"a setting of encoder gaussian, .*; found encoder iaf, .*\(iaf: it scores z by the cached path",
        ),
    ],
)
def test_settings_that_contradict_are_refused(values, told):
    with pytest.raises(UserError, match=told):
        make_run(values)


def test_a_setting_added_later_leaves_the_names_of_older_runs():
    """The first run that results/demo ever held, described before there were other objectives."""
    shortened = {"width": 0.125, "latent_dim": 16, "pseudo_inputs": 64, "learning_rate": 1e-2, "epochs": 1}
    demo = make_run(
        {"dataset": "sprites", "batch_size": 64, "evaluation_images": 200, "precision": "float32"} | shortened
    )
    sprites = "886289882fcc86549af392fbf3314f4c101c427dc4b07857b362167497720cf5"
    assert demo.run_id(sprites) == "ae5fecfbd1999ea8"
    assert demo.model_copy(update={"generated_images": 7}).run_id(sprites) != "ae5fecfbd1999ea8"


def test_a_decoder_of_labels_takes_the_first_set_unless_told():
    assert make_run({"decoder": "linear"}).labels == "first"
    assert make_run({"decoder": "mlp", "labels": "digit"}).labels == "digit"
    assert make_run({}).labels is None
    with pytest.raises(UserError, match="decoder deconv explains images"):
        make_run({"labels": "digit"})
    with pytest.raises(UserError, match="it bounds log p of images"):
        make_run({"decoder": "linear", "objective": "iwae", "train_samples": 5})
