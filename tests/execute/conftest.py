"""A sweep that takes seconds, and what its numbers are when nothing disturbs it."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from rdbench.config.sweep import Sweep, load_sweep
from rdbench.execute.runner import run_sweep
from rdbench.store.columns import TABLES
from rdbench.store.store import Store

CLOCKS = ["created_at", "train_seconds", "eval_seconds", "images_per_second", "peak_memory_bytes", "seconds",
          "command", "git_commit", "threads"]  # fmt: skip


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """A dataset of 60 images."""
    path = tmp_path_factory.mktemp("data") / "noise.npz"
    np.savez(path, (np.random.default_rng(0).random((60, 28, 28)) < 0.2).astype(np.uint8))
    return path


@pytest.fixture(scope="session")
def sweep(images) -> Sweep:
    """Four runs of a quarter of a second."""
    values = {"dataset": str(images), "family": ["---", "+-v"], "beta": [0.5, 1.0], "width": 0.03, "latent_dim": 3}
    values |= {
        "precision": "float32",
        "pseudo_inputs": 3,
        "epochs": 3,
        "batch_size": 8,
        "train_images": None,
        "iwae": [1, 3],
    }
    return load_sweep("demo").with_values(values | {"rate_samples": 4, "generated_images": 5})


@pytest.fixture(scope="session")
def read_tables():
    """A function that gives every table of a store, less what a clock says."""
    return _tables


def _tables(location):
    frames = {}
    for table in TABLES:
        frame = Store(location).read(table).frame
        keys = ["run_id", *({"epoch", "index"} & set(frame))]
        frame = frame.drop(columns=[name for name in CLOCKS if name in frame]).sort_values(keys, ignore_index=True)
        frames[table] = frame[sorted(frame)].convert_dtypes()  # a failed row leaves whole numbers as floats
    return frames


@pytest.fixture(scope="session")
def undisturbed(sweep, tmp_path_factory):
    """The tables of the sweep when nothing disturbs it, and its folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert not run_sweep(sweep, folder).failed
    return _tables(folder), folder


@pytest.fixture(scope="session")
def assert_same(undisturbed):
    """A function that holds a store to the undisturbed one: every number, every weight, and nothing left over."""
    expected, whole = undisturbed

    def check(folder):
        for table, frame in _tables(folder).items():
            pd.testing.assert_frame_equal(frame, expected[table], check_exact=True)
        names = sorted(path.name for path in (whole / "checkpoints").iterdir())
        kept = sorted(path.name for path in (folder / "checkpoints").iterdir() if not path.name.startswith("."))
        assert kept == names  # and so nothing unfinished
        for name in names:
            ours, theirs = (load_file(place / "checkpoints" / name) for place in (folder, whole))
            assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)
        assert not list((folder / "claims").glob("*.json"))

    return check
