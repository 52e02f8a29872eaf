from dataclasses import replace

import numpy as np
import pytest
import torch

from rdbench.analysis.report import assemble
from rdbench.config.family import FAMILIES
from rdbench.config.run_config import RunConfig, make_run
from rdbench.data import load
from rdbench.data.dataset import Dataset, pack, unpack
from rdbench.data.labels import empirical_labels
from rdbench.errors import UserError
from rdbench.execute.cost import total_cost
from rdbench.models import VAE, make_model
from rdbench.runs.device import pick_device
from rdbench.runs.host import QuietHost
from rdbench.runs.run import _training, execute
from rdbench.runs.splits import subset
from rdbench.runs.training import Step
from rdbench.store.columns import known_type
from rdbench.store.store import Store

CONFIG = RunConfig(
    precision="float32",
    width=0.05,
    latent_dim=4,
    pseudo_inputs=3,
    epochs=1,
    batch_size=16,
    iwae=(1, 5),
    rate_samples=4,
    allow_untrained=True,
)
VALUES = {name: value for name, value in CONFIG.model_dump().items() if name in RunConfig.model_fields}
"""Without the settings of its parts, for other parts to take its place."""

CPU = torch.device("cpu")


@pytest.fixture
def dataset():
    bits = pack(np.random.default_rng(0).random((60, 28, 28)) < 0.2)
    return Dataset("noise", bits[:40], bits[40:50], bits[50:])


def executed(config, dataset):
    return execute(config, "test", dataset, CPU)


def test_a_record_is_stored_and_read_whole(dataset, tmp_path):
    record = executed(CONFIG, dataset)
    store = Store(tmp_path)
    store.prepare()
    store.write(record)
    (row,) = store.read("runs").frame.to_dict("records")
    assert row["status"] == "ok"
    assert row["run_id"] == CONFIG.run_id(dataset.sha256) == record.run_id
    assert (row["family"], row["test_images"], row["train_images"]) == ("gaussian-deconv-gaussian", 10, 40)
    assert RunConfig.model_validate_json(row["config"]) == CONFIG
    examples = store.read("examples").frame
    assert examples["rate"].mean() == pytest.approx(row["rate"], rel=1e-5)
    assert (examples["rate"] + examples["distortion"]).mean() == pytest.approx(-row["elbo"], rel=1e-5)


@pytest.mark.parametrize(
    "values",
    [{"train_information": True}, {"encoder": "categorical", "marginal": "factorised"}, {"decoder": "linear"}],
    ids=["information", "categories", "labels"],
)
def test_every_column_of_a_run_is_declared(dataset, values):
    """Else a table of our own is taken for one of a newer rdbench, or refused by Arrow after hours of training."""
    labels = empirical_labels(*(np.arange(count) % 2 for count in (40, 10, 10)), classes=["even", "odd"])
    labelled = replace(dataset, label_sets={"parity": labels})
    record = executed(make_run(VALUES | values), labelled)
    for table, columns in {"runs": record.row, "history": record.history, "examples": record.examples}.items():
        assert [name for name in columns if known_type(table, name) is None] == []


def test_the_numbers_do_not_depend_on_what_ran_before(dataset):
    first = executed(CONFIG, dataset).row
    torch.rand(7)
    executed(CONFIG.model_copy(update={"encoder": "iaf"}), dataset)
    assert executed(CONFIG, dataset).row["elbo"] == first["elbo"]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.words)
@pytest.mark.parametrize("learning_rate", [1e2, 1e6, 1e30])
def test_a_run_that_diverges_is_a_row_with_its_reason(dataset, learning_rate, family):
    """With one step an epoch the loss is finite when it is last seen, and the weights are broken after it."""
    update = {**family._asdict(), "learning_rate": learning_rate, "batch_size": 40, "epochs": 2}
    row = executed(CONFIG.model_copy(update=update), dataset).row
    assert row["status"] in ("diverged", "ok")
    assert row["status"] == "diverged" or all(np.isfinite([row["rate"], row["distortion"], row["iwae_5"]]))
    if learning_rate == 1e30:
        assert "nats of rate" in row["error"]


def test_a_run_worse_than_fair_coins_is_untrained_unless_it_may_be(dataset):
    """Weights so large that D is thousands of nats; the row keeps its numbers and says what they are worse than."""
    strict = CONFIG.model_copy(update={"allow_untrained": False, "learning_rate": 10.0, "batch_size": 40})
    row = executed(strict, dataset).row
    assert -row["elbo"] > 2 * 784 * np.log(2)
    assert row["status"] == "untrained"
    assert "543.4 of fair coins" in row["error"]
    allowed = executed(strict.model_copy(update={"allow_untrained": True}), dataset).row
    assert (allowed["status"], allowed["error"], allowed["elbo"]) == ("ok", None, row["elbo"])
    assert allowed["run_id"] != row["run_id"]


def test_a_run_of_no_epochs_measures_the_first_weights(dataset, tmp_path):
    """It knows nothing, which may be meant to be so."""
    record = executed(CONFIG.model_copy(update={"epochs": 0}), dataset)
    torch.manual_seed(CONFIG.seed)
    weights = {name: value.numpy() for name, value in make_model(CONFIG).state_dict().items()}
    assert all((record.weights[name] == value).all() for name, value in weights.items())
    assert record.row["status"] == "ok" and -record.row["elbo"] > 500 and record.row["jumps"] == 0
    store = Store(tmp_path)
    store.prepare()
    store.write(record)
    assert assemble(store, [], [], None, None).exit_code == 0
    assert total_cost([CONFIG], store.read("runs").frame, CPU, None).timed == 1


def test_a_run_that_learns_is_ok_and_has_its_trivial_models_beside_it(dataset):
    bits = unpack(dataset.train).reshape(40, -1)
    p = (bits.sum(0) + 0.5) / 41
    tested = unpack(dataset.test).reshape(10, -1)
    expected = -(tested * np.log(p) + (1 - tested) * np.log(1 - p)).sum(1).mean()
    learning = {"allow_untrained": False, "epochs": 20, "learning_rate": 1e-2}
    row = executed(CONFIG.model_copy(update=learning), dataset).row
    assert row["status"] == "ok"
    assert row["jumps"] == 0
    assert row["independent_pixels"] == pytest.approx(expected, rel=1e-9)


def test_training_that_is_worse_than_fair_coins_says_so(dataset):
    told = []

    class Listening(QuietHost):
        def progress(self, stage, done, total, numbers):
            told.append(numbers)

    execute(CONFIG.model_copy(update={"learning_rate": 10.0}), "test", dataset, CPU, Listening())
    assert any(numbers.startswith("−ELBO > coins  ") for numbers in told)


def test_the_warnings_of_training_come_first():
    step = Step(step=1, steps=9, beta=1.0, rate=600.0, distortion=2.0, jumps=3)
    assert _training(step, 28, 0)[-1] == "−ELBO > coins  jumps 3  R 600.00  D 2.00  −ELBO 602.00  β 1"
    assert _training(step, 28, 10)[-1] == "jumps 3  R 600.00  D 2.00  −ELBO 602.00  β 1"
    assert _training(step, 28, 4)[-1].startswith("D > guessing  jumps 3  R 600.00")
    assert _training(step, 64, 0)[-1].startswith("jumps 3  R 600.00")


def test_validation_changes_no_training(dataset):
    whole, part = (executed(CONFIG.model_copy(update={"evaluation_images": images}), dataset) for images in (None, 5))
    for name, weight in whole.weights.items():
        assert (weight == part.weights[name]).all(), name


def test_paired_gaps_are_in_the_row_where_the_truth_is_known():
    sprites = load("sprites")
    small = Dataset("sprites", sprites.train[:32], sprites.valid[:10], sprites.test[:20], log_prob=sprites.log_prob)
    row = executed(CONFIG, small).row
    assert row["elbo_gap"] == pytest.approx(-row["elbo"] + sprites.log_prob(small.test).mean(), rel=1e-6)
    assert row["encoder_gap"] == pytest.approx(row["iwae_5"] - row["elbo"], rel=1e-6, abs=1e-6)
    assert row["iwae_5_gap"] < row["elbo_gap"]


def test_a_run_that_outgrows_the_gpu_is_a_row_with_its_reason(dataset, monkeypatch):
    def outgrow(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB\nmore lines")

    monkeypatch.setattr(VAE, "forward", outgrow)
    row = executed(CONFIG, dataset).row
    assert (row["status"], row["error"]) == ("failed", "CUDA out of memory. Tried to allocate 1 GiB")
    assert row["micro_batch"] == 1


def test_a_programmers_error_is_not_hidden(dataset, monkeypatch):
    monkeypatch.setattr(VAE, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        executed(CONFIG, dataset)


def test_no_model_beats_the_entropy_of_sprites(family):
    sprites = load("sprites")
    small = Dataset("sprites", sprites.train[:640], sprites.valid[:50], sprites.test[:200], entropy=sprites.entropy)
    row = executed(make_run({**VALUES, **family._asdict(), "learning_rate": 1e-2}), small).row
    truth = -sprites.log_prob(small.test)
    assert row["rate"] + row["distortion"] >= row["entropy"] - 3 * row["elbo_se"]
    assert row["rate"] + row["distortion"] > truth.mean() - 3 * truth.std() / 200**0.5


def test_subsets_are_shuffled_and_the_same_for_all_runs():
    split = np.arange(100, dtype=np.uint8)[:, None]
    assert (subset(split, 10) == subset(split, 10)).all()
    assert (subset(split, 10) != split[:10]).any()
    assert subset(split, None) is split


def test_a_part_of_the_training_images_is_learned_from(dataset):
    part = executed(CONFIG.model_copy(update={"train_images": 20, "batch_size": 10}), dataset)
    assert part.row["train_images"] == 20
    assert part.history["step"] == [2]


def test_devices_are_named_and_must_exist(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == CPU
    with pytest.raises(UserError, match="sees no CUDA device; use --device cpu"):
        pick_device("cuda")
    with pytest.raises(UserError, match="expected auto, cpu or cuda"):
        pick_device("tpu")
