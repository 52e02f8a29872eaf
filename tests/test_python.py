"""What ``import rdbench`` offers is what the commands do."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from readme_plugin import PLUGIN

import rdbench
from rdbench.config.parts import find, unregister
from rdbench.errors import UserError
from rdbench.measures.bounds import measure
from rdbench.runs.trained import load_model


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "noise.npz"
    np.savez(path, (np.random.default_rng(0).random((60, 28, 28)) < 0.2).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def swept(images, tmp_path_factory):
    """The rows of a sweep of one run, and its store."""
    folder = tmp_path_factory.mktemp("store")
    small = {"width": 0.05, "latent_dim": 3, "epochs": 1, "batch_size": 8, "iwae": [1, 3], "generated_images": 3}
    values = {"family": ["---"], "beta": [1.0], "dataset": str(images), "train_images": None, **small}
    return rdbench.sweep("demo", folder, **values), folder


def test_a_sweep_gives_its_rows_and_a_store_has_them(swept):
    rows, folder = swept
    store = rdbench.open_store(folder)
    assert list(store.runs()["run_id"]) == list(rows["run_id"])
    assert len(store.history()) == 1
    assert store.examples()["rate"].mean() == pytest.approx(rows["rate"][0], rel=1e-5)


def test_a_model_encodes_decodes_samples_and_bounds(swept, images):
    rows, folder = swept
    store = rdbench.open_store(folder)
    model = store.model(rows["run_id"][0][:6])
    x = rdbench.dataset(str(images)).test
    z = model.encode(x).sample()
    assert torch.equal(model.decode(z.double().numpy()).mean, model.decode(z).mean)
    assert model.decode(z).log_prob(torch.from_numpy(x).float()).shape == (len(x),)
    drawn = model.sample(4)
    assert drawn.shape == (4, 28, 28)
    assert set(np.unique(drawn)) <= {0, 1}
    torch.manual_seed(3)
    bounds = model.log_prob(x.reshape(len(x), -1), k=3)
    loaded = load_model(store.store, rows.iloc[0])
    torch.manual_seed(3)
    expected = measure(loaded, torch.from_numpy(x).float(), (3,)).iwae[3]
    assert bounds == pytest.approx(expected)


def test_a_model_from_anywhere_is_measured(images):
    """Factorised pixels whose encoder is the marginal: R = 0, and D = −ELBO = −IWAE-k is a sum over pixels."""
    logits = torch.linspace(-2, 1, 784).reshape(28, 28)

    class Anything:
        def encoder(self, x):
            return torch.distributions.Independent(torch.distributions.Normal(torch.zeros(len(x), 2), 1.0), 1)

        def decoder(self, z):
            pixels = torch.distributions.Bernoulli(logits=logits.expand(*z.shape[:-1], 28, 28))
            return torch.distributions.Independent(pixels, 2)

        def marginal(self):
            return torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), 1.0), 1)

    x = rdbench.dataset(str(images)).train[:10]
    found = rdbench.measure(Anything(), x, iwae=(5, 1))
    probability = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    exact = -(x * np.log(probability) + (1 - x) * np.log1p(-probability)).sum((1, 2))
    assert found.rate == pytest.approx(np.zeros(10), abs=1e-6)
    assert found.distortion == pytest.approx(exact, rel=1e-5)
    assert -found.iwae[5] == pytest.approx(exact, rel=1e-5)
    assert found.summary()["distortion_se"] == pytest.approx(exact.std(ddof=1) / 10**0.5, rel=1e-4)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float64, torch.float32, torch.bool, torch.bfloat16])
def test_images_may_be_of_any_number_type(swept, kind):
    rows, folder = swept
    model = rdbench.open_store(folder).model(rows["run_id"][0])
    x = np.eye(28)[None].repeat(2, 0)
    given = torch.from_numpy(x).to(kind) if isinstance(kind, torch.dtype) else x.astype(kind)
    assert model.encode(given).batch_shape == (2,)


def test_what_is_not_there_is_said_in_one_line(swept, tmp_path):
    with pytest.raises(UserError, match="there is no store"):
        rdbench.open_store(tmp_path / "none")
    with pytest.raises(UserError, match="begins the ids of 0 runs"):
        rdbench.open_store(swept[1]).model("zz")
    with pytest.raises(UserError, match=r"images: found values such as 0.5"):
        rdbench.measure(None, np.full((2, 28, 28), 0.5))
    with pytest.raises(UserError, match=r"iwae: found k = 0; expected 1 or more"):
        rdbench.measure(None, np.zeros((2, 28, 28)), iwae=(5, 0))
    model = rdbench.open_store(swept[1]).model(swept[0]["run_id"][0])
    with pytest.raises(UserError, match=r"images: found 32×32 pixels; expected 28×28"):
        model.encode(np.zeros((2, 32, 32)))
    with pytest.raises(UserError, match=r"iwae: found k = -1"):
        model.log_prob(np.zeros((2, 28, 28)), k=-1)


def test_a_dataset_of_grey_levels_is_binarised_on_request(tmp_path):
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8))
    path = str(tmp_path / "grey.npy")
    with pytest.raises(UserError, match="zeros and ones only"):
        rdbench.dataset(path)
    with pytest.raises(UserError, match="binarise: found 'round'"):
        rdbench.dataset(path, binarise="round")
    drawn = [rdbench.dataset(path, binarise="bernoulli", binarise_seed=seed).train for seed in (None, 0, 1)]
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()
    assert set(np.unique(rdbench.dataset(path, binarise="threshold").test)) == {0, 1}


def test_a_model_of_a_plugin_is_loaded_with_its_file(images, tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(PLUGIN)
    small = {"width": 0.05, "latent_dim": 3, "epochs": 1, "batch_size": 8, "iwae": [1], "generated_images": 3}
    values = {"family": "dense-deconv-gaussian", "dataset": str(images), "train_images": None, **small}
    try:
        (run_id,) = rdbench.sweep("demo", tmp_path / "store", plugins=[path], **values)["run_id"]
        unregister(find("encoder", "dense"))
        with pytest.raises(UserError, match="unknown encoder 'dense'"):
            rdbench.open_store(tmp_path / "store").model(run_id)
        model = rdbench.open_store(tmp_path / "store", plugins=[path]).model(run_id)
        assert model.encode(np.zeros((2, 784))).batch_shape == (2,)
    finally:
        unregister(find("encoder", "dense"))


def test_nothing_heavy_is_loaded_before_it_is_asked_for():
    code = "import rdbench, sys; rdbench.open_store('results/toy').runs(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.split()
