"""What a sweep will cost, against what its runs did cost."""

import pandas as pd
import pytest
import torch

from rdbench.config.run_config import make_run
from rdbench.config.sweep import load_sweep
from rdbench.execute.cost import is_large, loads, total_cost, work
from rdbench.models.flop import count_flop
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
    cost = total_cost(sweep.runs(), rows, CPU, None)
    assert cost.timed == 0
    assert cost.seconds == pytest.approx((rows["train_seconds"] + rows["eval_seconds"]).sum())
    assert cost.flop == pytest.approx(sum(load.training + load.evaluation for load in loads_of(sweep).values()))
    filled = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert filled / 2 < cost.disk < 2 * filled


def loads_of(sweep):
    return loads({str(index): run for index, run in enumerate(sweep.runs())}, None)


def test_without_rows_a_model_is_timed_once(sweep):
    cost = total_cost(sweep.runs(), pd.DataFrame(), CPU, None)
    assert cost.timed == 2 and 0 < cost.seconds < 600


def test_the_packaged_sweeps_that_take_long_are_known_to():
    names = ("demo", "toy", "mnist", "mnist-short", "omniglot")
    large = {name for name in names if is_large(load_sweep(name).runs(), None)}
    assert large == {"mnist", "mnist-short", "omniglot"}
