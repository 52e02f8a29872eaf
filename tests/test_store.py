import os
import shutil

import numpy as np
import pytest

from rdbench.errors import UserError
from rdbench.store import Record, Store


def record(run_id, **row):
    return Record(
        run_id,
        {"run_id": run_id, "status": "ok", "error": None, "rate": 1.5, "epochs": 3, **row},
        {"run_id": [run_id] * 2, "epoch": [1, 2], "valid_rate": [2.0, 1.0]},
        {"run_id": [run_id] * 3, "index": np.arange(3), "rate": np.ones(3, np.float32)},
        {"weight": np.ones((2, 2), np.float32)},
    )


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def test_what_is_written_is_read(store):
    store.write(record("a", iwae_5=-90.0))
    store.write(record("b", iwae_50=-80.0))
    runs = store.read("runs").set_index("run_id")
    assert store.finished() == {"a", "b"}
    assert runs.loc["a", "iwae_5"] == -90 and np.isnan(runs.loc["b", "iwae_5"])
    assert len(store.read("history")) == 4
    assert store.read("examples")["rate"].dtype == np.float32
    assert store.checkpoint("a").is_file()


def test_stores_merge_by_copying_files(store, tmp_path):
    other = Store(tmp_path / "other")
    other.prepare()
    store.write(record("a"))
    other.write(record("b"))
    shutil.copytree(other.folder, store.folder, dirs_exist_ok=True)
    assert store.finished() == {"a", "b"}


def test_a_run_whose_row_is_missing_is_not_finished(store):
    store.write(record("a"))
    (store.folder / "runs" / "a.parquet").unlink()
    assert store.finished() == set()
    assert len(store.read("history")) == 2


def test_a_write_that_fails_leaves_earlier_runs_whole(store, monkeypatch):
    store.write(record("a"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*earlier runs are whole"):
        store.write(record("b"))
    assert store.finished() == {"a"}
    assert list(store.read("runs")["run_id"]) == ["a"]


def test_a_store_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to the store"):
        Store(tmp_path / "file").prepare()


def test_an_empty_store_says_how_to_fill_it(tmp_path):
    with pytest.raises(UserError, match=r"holds no runs; fill it with: rdbench sweep --store"):
        Store(tmp_path).read("runs")


def test_a_foreign_file_is_named(store):
    (store.folder / "runs" / "x.parquet").write_text("no Parquet")
    with pytest.raises(UserError, match=r"x.parquet is not a readable Parquet file"):
        store.read("runs")
