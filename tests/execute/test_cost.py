"""What a sweep will cost, against what its runs did cost."""

import pandas as pd
import pytest
import torch

from rdbench.config.family import PART_KINDS
from rdbench.config.run_config import RunConfig, make_run
from rdbench.config.sweep import load_sweep
from rdbench.execute import cost
from rdbench.execute.cost import OF_TRAINING, is_large, loads, model_of, total_cost, work
from rdbench.models.flop import count_flop
from rdbench.runs.timing import Timing, time_model
from rdbench.store.store import Store

CPU = torch.device("cpu")
SMALL = {"dataset": "sprites", "width": 0.05, "latent_dim": 3, "pseudo_inputs": 3, "evaluation_images": 200,
         "iwae": [1, 5], "generated_images": 100}  # fmt: skip


def test_the_work_of_a_run_is_its_steps_validations_and_draws():
    run = make_run(SMALL | {"epochs": 3, "batch_size": 50, "train_images": 1020})
    flop = count_flop(run, 28)
    found = work(run, (10_000, 1_000, 2_000), 28)
    assert found.training == pytest.approx(3 * (20 * flop.step(50, 1) + 2 * flop.forward(100, 1)))
    assert found.evaluation == pytest.approx(2 * (flop.forward(100, 5) + flop.forward(100, 1)) + flop.forward(100, 5))


def test_a_store_tells_what_its_own_runs_cost(undisturbed, sweep):
    """Done anew, they take as long as they took, and the disk as much as they fill, within a factor of two."""
    _, folder = undisturbed
    rows = Store(folder).read("runs").frame
    found = total_cost(sweep.runs(), rows, CPU, None)
    assert found.timed == 0
    assert found.seconds == pytest.approx((rows["train_seconds"] + rows["eval_seconds"]).sum())
    assert found.flop == pytest.approx(sum(load.training + load.evaluation for load in loads_of(sweep).values()))
    filled = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert filled / 2 < found.disk < 2 * filled


def loads_of(sweep):
    return loads({str(index): run for index, run in enumerate(sweep.runs())}, None)


def test_without_rows_a_model_is_timed_once(sweep):
    found = total_cost(sweep.runs(), pd.DataFrame(), CPU, None)
    assert found.timed == 2 and 0 < found.seconds < 600


def test_what_a_step_takes_besides_its_operations_is_not_multiplied_by_the_batch(monkeypatch):
    """On a machine where a step takes 10 ms, and 0.1 ms more for each image."""
    monkeypatch.setattr(
        cost, "time_model", lambda run, *_: Timing(run.batch_size, 0.01 + 1e-4 * run.batch_size, evaluation=0.0)
    )
    values = SMALL | {"epochs": 3, "train_images": 1000, "evaluation_images": 2}
    for batch in (10, 100):
        found = total_cost([make_run(values | {"batch_size": batch})], pd.DataFrame(), CPU, None)
        assert found.seconds == pytest.approx(3 * 1000 / batch * (0.01 + 1e-4 * batch), rel=0.02)


def test_a_model_is_timed_at_the_batch_of_the_run_unless_a_step_takes_long(monkeypatch):
    run = make_run(SMALL | {"batch_size": 20})
    timing = time_model(run, 28, CPU)
    assert timing.images == 20 and timing.training > 0 and timing.evaluation > 0
    monkeypatch.setattr("rdbench.runs.timing.LONGEST_STEP_SECONDS", 0.0)
    assert time_model(run, 28, CPU).images == 16


def test_a_model_is_timed_with_as_many_threads_as_are_fastest(monkeypatch):
    """As if two threads of this small model only waited for each other."""
    asked = []

    def timed(config, image_side, device, batch, epochs):
        asked.append((torch.get_num_threads(), batch))
        return Timing(batch, 0.01 * torch.get_num_threads(), 0.01)

    monkeypatch.setattr("rdbench.runs.timing._timed", timed)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert time_model(make_run(SMALL | {"batch_size": 20}), 28, CPU) == (20, 0.01, 0.01)
        assert sorted(asked[:2]) == [(1, 16), (2, 16)] and asked[2:] == [(1, 20)]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_packaged_sweeps_that_take_long_are_known_to():
    names = ("demo", "toy", "mnist", "mnist-short", "omniglot")
    large = {name for name in names if is_large(load_sweep(name).runs(), None)}
    assert large == {"mnist", "mnist-short", "omniglot"}


def test_every_key_of_a_run_is_of_its_model_or_of_its_training():
    """A new key must be put on one side, else runs of one model would be timed one by one."""
    of_model = {*PART_KINDS, "width", "latent_dim", "pseudo_inputs", "precision", "labels", "sources"}
    assert set(RunConfig.model_fields) == {*OF_TRAINING, *of_model, "beta"}
    assert model_of(make_run({"allow_untrained": True, "beta": 0.5})) == model_of(make_run({}))
    assert model_of(make_run({"width": 0.5})) != model_of(make_run({}))
