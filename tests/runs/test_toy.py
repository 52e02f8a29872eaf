import numpy as np
import pytest

from rdbench.config.sweep import load_sweep
from rdbench.data import toy
from rdbench.runs.toy import execute


def runs_of(**values):
    return load_sweep("toy").with_values(values).runs()


def records_of(**values):
    return execute(runs_of(**values), "test")


@pytest.mark.slow
def test_the_elbo_collapses_and_fits():
    rows = [record.row for record in records_of(objective="beta-vae")]
    assert len(rows) == 10
    assert max(row["rate"] for row in rows) < 1e-3
    assert max(row["likelihood_gap"] for row in rows) < 1e-4


@pytest.mark.slow
def test_an_adapted_multiplier_ends_at_the_target():
    rows = [record.row for record in records_of(objective="target-rate")]
    close = [row for row in rows if abs(row["rate"] - 0.5) < 1e-3 and row["likelihood_gap"] < 2e-3]
    assert len(close) >= 9
    best = min(rows, key=lambda row: row["distortion"])
    assert best["class_information"] > 0.36  # of 0.378: the start of lowest D recovers nearly all


def test_a_start_ends_in_the_same_place_alone_and_among_others():
    values = {"objective": "target-rate", "epochs": 2}
    together, alone = records_of(seed=[0, 1], **values), records_of(seed=1, **values)
    assert together[1].row["run_id"] == alone[0].row["run_id"]
    for name in ("rate", "distortion", "class_information"):
        assert together[1].row[name] == pytest.approx(alone[0].row[name], abs=1e-9)


def test_a_record_has_the_rows_of_any_run():
    (record,) = records_of(objective="target-rate-penalty", epochs=2, seed=0)
    assert record.row["test_images"] == 30
    assert record.row["parameters"] == 2 * 60 + 30
    weights = record.examples["probability"]
    for name in ("rate", "distortion"):
        assert np.dot(weights, record.examples[name]) == pytest.approx(record.row[name], abs=1e-5)
        assert record.row[f"{name}_se"] == 0
    assert record.history["epoch"] == [1, 2]
    assert set(record.history["beta"]) <= {-1.0, 1.0}
    assert record.row["effective_beta"] == record.history["beta_mean"][-1]
    assert record.row["effective_beta_sd"] == pytest.approx((1 - record.row["effective_beta"] ** 2) ** 0.5)  # of ±1
    assert record.row["elbo"] < -toy.entropy()


def test_a_start_that_is_worse_than_guessing_is_untrained_unless_it_may_be():
    wild = {"objective": "beta-vae", "epochs": 1, "seed": 0, "learning_rate": 1e3}
    (record,), (allowed,) = records_of(**wild), records_of(**wild, allow_untrained=True)
    assert record.row["elbo"] < -np.log(30)
    assert record.row["status"] == "untrained" and "3.401 of guessing" in record.row["error"]
    assert (allowed.row["status"], allowed.row["error"]) == ("ok", None)


def test_a_start_of_no_epochs_has_no_history():
    (record,) = records_of(objective="beta-vae", epochs=0, seed=0)
    assert record.row["elbo"] < -toy.entropy() and record.row["train_seconds"] >= 0
    assert record.history["epoch"] == []
