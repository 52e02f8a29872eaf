import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbench.config.run_config import RunConfig
from rdbench.errors import UserError
from rdbench.store.changes import compact
from rdbench.store.columns import TABLES
from rdbench.store.schema import Record
from rdbench.store.store import EmptyTableError, Store


def record(run_id, **row):
    config = RunConfig(epochs=3).model_dump_json()
    described = {"config": config, "dataset_sha256": "d" * 64, "epochs": 3}
    return Record(
        run_id,
        {"run_id": run_id, "status": "ok", "error": None, "rate": 1.5, **described, **row},
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
    runs = store.read("runs").frame.set_index("run_id")
    assert store.finished() == {"a", "b"}
    assert runs.loc["a", "iwae_5"] == -90 and np.isnan(runs.loc["b", "iwae_5"])
    assert len(store.read("history").frame) == 4
    assert store.read("examples").frame["rate"].dtype == np.float32
    assert store.storage.exists(store.checkpoint("a"))


def test_an_answer_that_comes_while_files_are_merged_stays(store, monkeypatch):
    """An older rdbench, which claims no tables, does a run again between the reading of its file and its deletion."""
    for run_id in "ab":
        store.write(record(run_id))
    store.write(record("z", status="failed"))
    delete, answered = store.storage.delete, []

    def answering(name):
        if name.startswith("runs/") and not answered:
            answered.append(name)
            store.put(record("z", rate=2.5), "2999-01-02T00:00:00")
        delete(name)

    monkeypatch.setattr(store.storage, "delete", answering)
    compact(store)
    assert store.finished() == {"a", "b", "z"}


def test_a_listing_that_missed_what_was_merged_is_asked_for_again(store, monkeypatch):
    """No listing is of one moment: it may lack the file of a run and the larger one that it went into."""
    for run_id in "ab":
        store.write(record(run_id))
    compact(store)
    names, listings = store.storage.names, []

    def torn(folder, suffix=""):
        listings.append(folder)
        return [] if len(listings) == 1 else names(folder, suffix)

    monkeypatch.setattr(store.storage, "names", torn)
    assert store.finished() == {"a", "b"}


def test_stores_merge_by_copying_files(store, tmp_path):
    other = Store(tmp_path / "other")
    other.prepare()
    store.write(record("a"))
    other.write(record("b"))
    shutil.copytree(Path(str(other)), Path(str(store)), dirs_exist_ok=True)
    assert store.finished() == {"a", "b"}


def test_a_run_whose_row_is_missing_is_not_finished(store):
    store.write(record("a"))
    store.storage.delete(*store.storage.names("runs"))
    assert store.finished() == set()
    assert len(store.read("history").frame) == 2


def test_a_write_that_fails_leaves_earlier_runs_whole(store, monkeypatch):
    store.write(record("a"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*earlier runs are whole"):
        store.write(record("b"))
    assert store.finished() == {"a"}
    assert list(store.read("runs").frame["run_id"]) == ["a"]


def test_a_store_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to the store"):
        Store(tmp_path / "file").prepare()


def test_an_empty_store_says_how_to_fill_it(tmp_path):
    with pytest.raises(UserError, match=r"holds no runs; fill it with: rdbench sweep demo --store"):
        Store(tmp_path).read("runs")


def test_unreadable_and_foreign_files_are_named_and_skipped(store):
    store.write(record("a"))
    (Path(str(store)) / "runs" / "x.parquet").write_text("no Parquet")
    pq.write_table(pa.table({"colour": ["red"]}), Path(str(store)) / "runs" / "y.parquet")
    rows = store.read("runs")
    assert list(rows.frame["run_id"]) == ["a"]
    assert [line.split(":")[0].split("/")[-1] for line in rows.skipped] == ["x.parquet", "y.parquet"]


def test_compacting_keeps_every_row_in_few_files(store):
    for number in range(5):
        store.write(record(f"run{number}", **{f"iwae_{number + 1}": -1.0}))
    before = {table: store.read(table).frame for table in TABLES}
    compact(store)
    store.write(record("late"))
    assert len(list((Path(str(store)) / "runs").iterdir())) == 2
    for table in TABLES:
        after = store.read(table).frame
        pd.testing.assert_frame_equal(after[after["run_id"] != "late"][before[table].columns], before[table])
    assert set(store.read("examples", ["run3", "late"]).frame["run_id"]) == {"run3", "late"}


def test_a_compaction_that_stops_half_way_loses_and_repeats_nothing(store, monkeypatch):
    for name in "abc":
        store.write(record(name))
    delete = store.storage.delete
    monkeypatch.setattr(
        store.storage, "delete", lambda name: delete(name) if name.startswith("claims/") else pytest.exit("killed")
    )
    with pytest.raises(pytest.exit.Exception):
        compact(store)
    monkeypatch.undo()
    assert len(list((Path(str(store)) / "runs").glob("*.parquet"))) == 4  # three runs, and the file that merges them
    assert sorted(store.read("runs").frame["run_id"]) == ["a", "b", "c"]
    compact(store)
    assert len(list((Path(str(store)) / "runs").glob("*.parquet"))) == 1
    assert sorted(store.read("examples").frame["run_id"]) == ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_a_run_that_failed_is_done_again_and_its_newest_row_counts(store):
    store.write(record("a", status="failed"))
    store.write(record("b"))
    assert store.finished() == {"b"}
    compact(store)
    store.write(record("a"))
    assert store.finished() == {"a", "b"}
    assert len(store.read("runs").frame) == 2


def test_a_run_that_came_to_nothing_leaves_tables_of_no_rows(store):
    store.write(record("a"))
    for name, empty in {"diverged": {}, "failed": {"run_id": []}}.items():
        store.write(Record(name, record(name, status=name).row, empty, empty, {"none": np.zeros(0, np.float32)}))
    for table in ("history", "examples"):
        rows = store.read(table)
        assert set(rows.frame["run_id"]) == {"a"} and not rows.skipped
    compact(store)
    assert [len(store.storage.names(table)) for table in TABLES] == [1, 1, 1]


STORES = st.sampled_from("AAAB")
STATUS = st.sampled_from(["ok", "failed", "failed", "diverged"])
WRITE = st.tuples(st.just("write"), STORES, st.sampled_from("ab"), STATUS, st.integers(0, 3))
COMPACT = st.tuples(st.just("compact"), STORES)
COPY = st.tuples(st.just("copy"), STORES, st.randoms(use_true_random=False))


@settings(max_examples=60)
@given(st.lists(WRITE | WRITE | COMPACT | COPY, min_size=6, max_size=16), st.randoms(use_true_random=False))
def test_whatever_is_written_merged_and_copied_each_run_counts_once_and_its_latest_answer_does(operations, random):
    """A model beside the store: what is in each file, as the times of writing; copying may bring older rows later."""
    times = random.sample(range(100), len(operations))
    written = {}  # what was written at each time
    with TemporaryDirectory() as folder, patch("os.fsync"):  # no power fails here
        stores = {name: Store(Path(folder) / name) for name in "AB"}
        files = {name: {table: {} for table in TABLES} for name in "AB"}  # by store, table and file: times
        for store in stores.values():
            store.prepare()
        for time, (kind, name, *values) in zip(times, operations, strict=True):
            store, tables = stores[name], files[name]
            if kind == "write":
                written[time] = run_id, status, epochs = values
                store.put(attempt(time, run_id, status, epochs), date(time))
                for table in TABLES:
                    (new,) = {path.name for path in (Path(str(store)) / table).iterdir()} - set(tables[table])
                    tables[table][new] = {time}
            elif kind == "compact":
                expected = counted(tables, written)
                compact(store)
                files[name] = {table: lying(store, table) for table in TABLES}
                for table in TABLES:
                    assert at_rest(store, table) == expected[table]
            else:
                other = "AB".replace(name, "")
                for table in TABLES:
                    for file in sorted(tables[table]):
                        if values[0].random() < 0.5:
                            shutil.copy(Path(str(store)) / table / file, Path(str(stores[other])) / table / file)
                            files[other][table][file] = tables[table][file]
        for name, store in stores.items():
            check(store, counted(files[name], written))


VALUES = {"runs": "rate", "history": "valid_rate", "examples": "rate"}
"""The column of each table that holds the time."""


def date(time):
    return f"2026-01-01T{time // 60:02d}:{time % 60:02d}:00"


def attempt(time, run_id, status, epochs):
    """What a run leaves at a time; the time is in every number."""
    row = record(run_id, status=status, rate=float(time)).row
    history = {"run_id": [run_id] * epochs, "epoch": list(range(epochs)), "valid_rate": [float(time)] * epochs}
    images = 2 if status == "ok" else 0
    examples = {"run_id": [run_id] * images, "index": list(range(images)), "rate": [float(time)] * images}
    return Record(run_id, row, history, examples if images else {}, {"weight": np.zeros(1, np.float32)})


def lying(store, table):
    """The times that lie in each file of a table."""
    return {
        path.name: {int(time) for time in pd.read_parquet(path)[VALUES[table]]}
        for path in (Path(str(store)) / table).glob("*.parquet")
    }


def at_rest(store, table):
    """What a reader that knows nothing of rdbench finds: of each run the time and the number of rows."""
    folder = Path(str(store)) / table
    return by_run(pd.read_parquet(folder), VALUES[table]) if any(folder.iterdir()) else {}


def by_run(frame, value):
    assert (frame.groupby("run_id")[value].nunique() == 1).all()  # nothing half-merged
    return {run_id: (mine[value].iloc[0], len(mine)) for run_id, mine in frame.groupby("run_id")}


def counted(tables, written):
    """For each table, of each run that has rows, the time and the number of those that count."""
    times = {table: set().union(*found.values()) for table, found in tables.items()}
    runs = {}
    for time in sorted(times["runs"], key=lambda time: (written[time][1] != "failed", time)):
        runs[written[time][0]] = time  # the latest answer, else the latest failure
    numbers = {"history": lambda status, epochs: epochs, "examples": lambda status, epochs: 2 * (status == "ok")}
    found = {"runs": {run_id: (time, 1) for run_id, time in runs.items()}}
    for table, number in numbers.items():
        found[table] = {}
        for run_id in "ab":
            mine = [time for time in sorted(times[table]) if written[time][0] == run_id and number(*written[time][1:])]
            until = [time for time in mine if time <= runs.get(run_id, 100)]
            if mine:
                time = (until or mine)[-1]
                found[table][run_id] = (time, number(*written[time][1:]))
    return found


def check(store, expected):
    """That a store says of each run what counts of what is in its files, and nothing else."""
    for table in TABLES:
        if not expected[table]:
            with pytest.raises(EmptyTableError, match="holds no"):
                store.read(table)
            continue
        rows = store.read(table)
        assert not rows.skipped
        assert by_run(rows.frame, VALUES[table]) == expected[table]
    statuses = store.read("runs").frame.set_index("run_id")["status"] if expected["runs"] else {}
    assert store.finished() == {run_id for run_id in expected["runs"] if statuses[run_id] != "failed"}
