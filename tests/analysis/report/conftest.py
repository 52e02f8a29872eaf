"""Stores of invented runs whose every number is known."""

import re

import numpy as np
import pytest

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.measures.bounds import mean_and_error
from rdbench.store.schema import Record
from rdbench.store.store import Store

MEASURED = re.compile(
    r"(status|error|entropy|image_side|jumps|independent_pixels|rate|distortion|elbo|iwae_\d|encoder_gap|train_\w+_se)"
)
"""The columns of a row that a test may give; what else it gives is a setting."""


@pytest.fixture
def make_record():
    """A record of a run whose measures are given; everything else is plausible."""

    def make(sha256="d" * 64, images=200, **values):
        noise = np.random.default_rng(0).normal(size=images)  # the same images, hence the same noise
        noise -= noise.mean()
        given = {key: values.pop(key) for key in list(values) if MEASURED.match(key)}
        rate, distortion = given.get("rate", 5.0), given.get("distortion", 80.0)
        family = parse_family(values.pop("family", "---"))
        config = make_run({"iwae": [1, 5], "epochs": 20} | family._asdict() | values)
        run_id = config.run_id(sha256)
        examples = {"rate": np.full(images, rate), "distortion": distortion + 10 * noise}
        for k in config.iwae:
            draws = np.random.default_rng(k).normal(size=images)
            mean = given.get(f"iwae_{k}", k / 5 - rate - distortion - 0.2)
            examples[f"iwae_{k}"] = mean - 10 * noise + 0.3 * (draws - draws.mean())
        row = {**config.columns(), "run_id": run_id}
        row |= {"config": config.model_dump_json(), "dataset_sha256": sha256, "test_images": images, "entropy": None}
        row |= {"train_rate": rate, "train_distortion": distortion, "train_seconds": 3.0, "status": "ok", "error": None}
        row |= {"precision": "float32", "sweep": "invented", "command": "rdbench sweep invented"}
        for name, per_image in (examples | {"elbo": -examples["rate"] - examples["distortion"]}).items():
            row[name], row[f"{name}_se"] = mean_and_error(per_image)
        row |= given
        examples = {"run_id": [run_id] * images, "index": np.arange(images), **examples}
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
