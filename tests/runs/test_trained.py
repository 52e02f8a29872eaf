import numpy as np
import torch

from rdbench.config.binarise import Binarise
from rdbench.config.run_config import RunConfig
from rdbench.data import load
from rdbench.models import make_model
from rdbench.runs.run import execute
from rdbench.runs.trained import draw_samples, load_model
from rdbench.store.rounding import in_float16
from rdbench.store.schema import Record
from rdbench.store.store import Store

SMALL = {
    "width": 0.02,
    "latent_dim": 4,
    "pseudo_inputs": 3,
    "epochs": 1,
    "batch_size": 16,
    "iwae": (1,),
    "rate_samples": 2,
}


def test_a_run_on_grey_images_of_another_side_is_trained_measured_and_drawn_from(tmp_path):
    """The family whose weights depend on the side in all three parts."""
    side, path = 8, tmp_path / "mine.npy"
    np.save(path, np.random.default_rng(0).random((80, side, side)) ** 2)
    grey = {"binarise": "bernoulli", "binarise_seed": 3}
    dataset = load(str(path), None, Binarise("bernoulli", 3))
    config = RunConfig(dataset=str(path), **grey, decoder="pixelcnn", marginal="vamp", generated_images=2, **SMALL)
    store = Store(tmp_path / "store")
    store.prepare()
    store.write(execute(config, "test", dataset, torch.device("cpu")))
    (row,) = store.read("runs").frame.to_dict("records")
    assert (row["status"], row["image_side"], row["binarise"], row["binarise_seed"]) == ("ok", side, "bernoulli", 3)
    assert row["distortion"] < 1.2 * side**2 * np.log(2)
    assert load_model(store, row).decoder(torch.zeros(1, 4)).event_shape == (side, side)
    columns = draw_samples(store, row)
    assert [column.shape for column in columns] == [(8, side, side)] * 5
    assert (columns[0] == dataset.images("test")).all()


def test_a_row_from_before_other_sides_is_of_28_pixels(tmp_path):
    store = Store(tmp_path)
    store.prepare()
    record = execute(RunConfig(dataset="sprites", train_images=16, evaluation_images=4, **SMALL), "test",
                     load("sprites"), torch.device("cpu"))  # fmt: skip
    store.write(record)
    row = {name: value for name, value in record.row.items() if name != "image_side"}
    assert load_model(store, row).decoder(torch.zeros(1, 4)).event_shape == (28, 28)


def test_a_model_of_every_family_is_loaded_from_its_weights(tmp_path, family):
    """Some have masks of booleans and orders of integers beside their weights."""
    run = RunConfig(**family._asdict(), **SMALL)
    model = make_model(run)
    store, row = Store(tmp_path), {"run_id": "a", "config": run.model_dump_json(), "image_side": 28}
    store.prepare()
    weights = {name: value.contiguous().numpy() for name, value in model.state_dict().items()}
    store.write(Record("a", row, {"run_id": []}, {"run_id": [], "index": []}, weights))
    loaded = load_model(store, row)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert len(loaded.marginal().sample((2,))) == 2


def test_weights_in_float16_are_used_with_a_warning(tmp_path, caplog):
    run = RunConfig(**SMALL)
    model = make_model(run)
    store, row = Store(tmp_path), {"run_id": "a", "config": run.model_dump_json(), "image_side": 28}
    store.prepare()
    weights = {name: value.contiguous().numpy() for name, value in model.state_dict().items()}
    store.storage.write(store.checkpoint("a"), in_float16(weights))
    images = torch.ones(2, 28, 28)
    mean = load_model(store, row).encoder(images).mean
    torch.testing.assert_close(mean, model.eval().encoder(images).mean, rtol=0.01, atol=0.01)
    assert mean.dtype == torch.float32
    assert "run a are kept in float16" in caplog.text
