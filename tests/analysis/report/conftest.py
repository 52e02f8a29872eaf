"""Stores of invented runs whose every number is known."""

import numpy as np
import pytest

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.store.schema import Record
from rdbench.store.store import Store


@pytest.fixture
def make_record():
    """A record of a run whose measures are given; everything else is plausible."""

    def make(sha256="d" * 64, images=200, **values):
        measured = {"rate": 5.0, "distortion": 80.0, "iwae_1": -85.0, "iwae_5": -84.0, "status": "ok", "error": None}
        measured |= {"entropy": None, "train_seconds": 3.0, "sweep": "invented", "command": "rdbench sweep invented"}
        known = ("iwae_", "elbo", "encoder_gap", "rate_se", "distortion_se")
        measured |= {key: values.pop(key) for key in list(values) if key in measured or key.startswith(known)}
        family = parse_family(values.pop("family", "---"))
        config = make_run({"iwae": [1, 5], "epochs": 20} | family._asdict() | values)
        run_id = config.run_id(sha256)
        row = {**config.columns(), "run_id": run_id}
        row |= {"config": config.model_dump_json(), "dataset_sha256": sha256, "test_images": images, **measured}
        row["elbo"] = -(measured["rate"] + measured["distortion"])
        row = {
            f"{name}_se": 0.1 for name in row if name in ("rate", "distortion", "elbo") or name.startswith("iwae_")
        } | row
        noise = np.random.default_rng(0).normal(size=images)  # the same images, hence the same noise
        examples = {
            "run_id": [run_id] * images,
            "index": np.arange(images),
            "rate": np.full(images, measured["rate"]),
            "distortion": measured["distortion"] + 10 * noise,
        }
        history = {"run_id": [run_id], "epoch": [1], "beta": [1.0], "valid_rate": [5.0], "valid_distortion": [80.0]}
        return Record(run_id, row, history, examples, {"weight": np.zeros(1, np.float32)})

    return make


@pytest.fixture
def make_store(tmp_path, make_record):
    """A store of runs, each given by the values that are not the usual ones."""

    def make(*runs, name="store"):
        store = Store(tmp_path / name)
        store.prepare()
        for values in runs:
            store.write(make_record(**values))
        return store

    return make
