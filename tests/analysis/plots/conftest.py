"""Invented runs, and a store of them."""

import numpy as np
import pandas as pd
import pytest

from rdbench.config.family import FAMILIES
from rdbench.store.schema import Record
from rdbench.store.store import Store


@pytest.fixture
def invented():
    return _invented


def _invented(count=24, **columns):
    """Runs whose R + D is 85 and more, over all families."""
    generator = np.random.default_rng(0)
    families = [FAMILIES[index % 12] for index in range(count)]
    rate = np.linspace(0.0004, 80, count)
    runs = {
        "run_id": [f"{index:04d}" for index in range(count)],
        "dataset": "mnist", "dataset_sha256": "d", "status": "ok", "objective": "beta-vae",
        "anneal_epochs": 0, "seed": 0, "test_images": 200, "labels": None, "config": '{"iwae": [1, 5]}',
        "family": [family.words for family in families],
        "beta": 1 + np.arange(count) % 5 / 4,
        "rate": rate, "distortion": 85 - rate + generator.exponential(3, count),
    }  # fmt: skip
    frame = pd.DataFrame(runs | columns)
    frame["elbo"] = -(frame["rate"] + frame["distortion"])
    frame["iwae_5"] = frame["elbo"] + 1
    for name in ("rate", "distortion", "elbo", "iwae_5"):
        frame[f"{name}_se"] = 0.3
    return frame


@pytest.fixture
def store(tmp_path):
    """A store with the history of the invented runs."""
    store = Store(tmp_path / "store")
    store.prepare()
    for row in _invented().to_dict("records"):
        epochs = [1, 2, 3]
        history = {"run_id": [row["run_id"]] * 3, "epoch": epochs, "beta": [0.5, 1, 1]}
        history |= {
            f"valid_{name}": [row[name] * (1 + 1 / epoch) for epoch in epochs] for name in ("rate", "distortion")
        }
        store.write(
            Record(row["run_id"], row, history, {"run_id": [], "index": []}, {"weight": np.zeros(1, np.float32)})
        )
    return store
