"""Time to target, of an invented history and of a run that takes a second."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

import rdbench
from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run

SMALL = {"dataset": "sprites", "width": 0.05, "latent_dim": 4, "train_images": 64, "evaluation_images": 20, "epochs": 2,
         "batch_size": 32}  # fmt: skip


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(rdbench.__file__).parent.parent / "benchmarks")
    import time_to_target

    return time_to_target


def test_the_seconds_are_those_at_the_end_of_the_first_epoch_within_a_distance(script):
    bounds = [90.0, 82.5, 81.5, 81.6]
    history = [SimpleNamespace(seconds=10.0, valid_rate=20.0, valid_distortion=bound - 20) for bound in bounds]
    row = script.reached(history, 80.7)
    assert math.isnan(row["within_0.5"])
    assert (row["within_1"], row["within_2"], row["seconds"]) == (30, 20, 40)
    assert row["best_valid_neg_elbo"] == 81.5
    assert script.printed(make_run(parse_family("-+-")._asdict())) == 80.7


def test_a_run_that_has_a_row_is_not_made_again(script):
    run, done = make_run(SMALL), set()
    (row,) = script.rows([run], "", 800.0, done)
    assert 0 < row["within_0.5"] == row["within_2"] < row["seconds"]
    assert row["run_id"] in done
    assert list(script.rows([run], "again", 800.0, done)) == []
