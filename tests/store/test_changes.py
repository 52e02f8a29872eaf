"""A store at rest, and changes to it by several processes at once."""

import itertools
import json
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rdbench.config.run_config import RunConfig
from rdbench.errors import UserError
from rdbench.store import schema
from rdbench.store.changes import compact, extend, remove
from rdbench.store.changing import LostTablesError
from rdbench.store.claims import SECONDS_VARIABLE, Claims
from rdbench.store.columns import TABLES
from rdbench.store.folder import LocalStorage
from rdbench.store.merge import merge
from rdbench.store.schema import Record
from rdbench.store.store import Store

DESCRIBED = {"config": RunConfig().model_dump_json(), "dataset_sha256": "d" * 64, "error": None}


def record(run_id, **row):
    return Record(
        run_id,
        {"run_id": run_id, "status": "ok", "rate": 1.5, **DESCRIBED, **row},
        {"run_id": [run_id] * 2, "epoch": [1, 2], "valid_rate": [2.0, 1.0]},
        {"run_id": [run_id] * 3, "index": np.arange(3), "rate": np.ones(3, np.float32)},
        {"weight": np.ones(2, np.float32)},
    )


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    for run_id in "abc":
        store.write(record(run_id))
    compact(store)
    return store


def folder(store, table):
    return Path(str(store)) / table


def at_once(*works):
    """Do works in processes of their own, which start together; their exit codes."""
    read, write = os.pipe()
    children = []
    for work in works:
        if not (child := os.fork()):
            os.close(write)
            os.read(read, 1)  # until all are there
            try:
                work()
                os._exit(0)
            except BaseException:
                os._exit(1)
        children.append(child)
    os.close(read)
    os.close(write)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def assert_at_rest(store, run_ids, **columns):
    """That readers that know nothing of rdbench find each run once, with all columns."""
    for table, rows in {"runs": 1, "history": 2, "examples": 3}.items():
        frame = pd.read_parquet(folder(store, table))
        assert frame["run_id"].value_counts().to_dict() == dict.fromkeys(run_ids, rows)
        assert set(columns.get(table, ())) <= set(frame)
        assert len({str(pq.read_schema(path)) for path in folder(store, table).iterdir()}) == 1


def test_a_store_at_rest_has_each_run_once_under_one_schema(store):
    extend(store, "b", {"iwae_9": -1.0, "evaluated_with": "rdbench evaluate"}, {"iwae_9": [-1.0, -2.0, -3.0]})
    store.write(record("d", iwae_50=-2.0))
    compact(store)
    assert_at_rest(store, "abcd", runs=["iwae_9", "iwae_50", "evaluated_with"], examples=["iwae_9"])
    frame = pd.read_parquet(folder(store, "runs")).set_index("run_id")
    assert frame["iwae_9"].notna().to_dict() == {"a": False, "b": True, "c": False, "d": False}
    before = sorted(path.name for table in TABLES for path in folder(store, table).iterdir())
    compact(store)
    assert sorted(path.name for table in TABLES for path in folder(store, table).iterdir()) == before


def test_a_run_done_again_is_there_once_when_the_store_is_at_rest(store):
    store.write(record("b", rate=2.5), replacing=store.current()["b"])
    compact(store)
    assert_at_rest(store, "abc")
    assert pd.read_parquet(folder(store, "runs")).set_index("run_id").loc["b", "rate"] == 2.5


def test_two_removals_at_once_both_remove(store):
    assert at_once(lambda: remove(store, ["a"]), lambda: remove(store, ["b"])) == [0, 0]
    assert store.finished() == {"c"}
    assert store.storage.names("checkpoints") == ["checkpoints/c.safetensors"]
    assert not store.storage.names("claims")


def test_two_measurements_at_once_lose_no_column(store):
    def measured(k):
        return lambda: extend(store, "a", {f"iwae_{k}": -float(k)}, {f"iwae_{k}": [1.0, 2.0, 3.0]})

    assert at_once(*map(measured, (5, 6, 7, 8))) == [0, 0, 0, 0]
    row = store.read("runs").frame.set_index("run_id").loc["a"]
    assert [row[f"iwae_{k}"] for k in (5, 6, 7, 8)] == [-5, -6, -7, -8]
    assert store.read("examples", ["a"]).frame[["iwae_5", "iwae_8"]].notna().all(axis=None)


def test_what_is_removed_beside_a_compaction_does_not_come_back(store):
    for turn in range(4):
        store.write(record(f"x{turn}"))
        assert at_once(lambda turn=turn: remove(store, [f"x{turn}"]), lambda: compact(store)) == [0, 0]
        compact(store)
        assert_at_rest(store, "abc")


def suspended_before(number, work):
    """The process that does ``work``, stopped before its ``number``-th change of a file; None if it made fewer."""
    if not (child := os.fork()):
        changes = itertools.count(1)

        def stop_first(method):
            def stopping(self, name, *content):
                if not name.startswith("claims/") and next(changes) == number:
                    os.kill(os.getpid(), signal.SIGSTOP)
                return method(self, name, *content)

            return stopping

        for name in ("write", "delete"):
            setattr(LocalStorage, name, stop_first(getattr(LocalStorage, name)))
        try:
            with suppress(LostTablesError):
                work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, os.WUNTRACED)
    return child if os.WIFSTOPPED(status) else None


@pytest.mark.parametrize(
    "work",
    [
        lambda store: remove(store, ["a"]),
        lambda store: compact(store),
        lambda store: store.write(record("a"), store.current(["a"])["a"]),
        lambda store: extend(store, "a", {"iwae_5": -2.0}, {"iwae_5": np.full(3, -2.0, np.float32)}),
    ],
    ids=["remove", "compact", "write", "extend"],
)
def test_who_was_suspended_while_changing_tables_harms_nothing_that_others_wrote(tmp_path, monkeypatch, work):
    monkeypatch.setenv(SECONDS_VARIABLE, "0.2")
    for number in itertools.count(1):
        store = Store(tmp_path / f"store{number}")
        store.prepare()
        for run_id in "abc":
            store.write(record(run_id))
            if number % 2 and run_id == "a":
                compact(store)  # so that files of one run, and of many, are changed
        child = suspended_before(number, lambda store=store: work(store))
        if child is None:
            break
        try:
            remove(store, ["a"])  # waits until the claim of the suspended process has lapsed
            store.write(record("a", rate=7.5))
        finally:
            os.kill(child, signal.SIGCONT)
        assert os.waitpid(child, 0)[1] == 0
        rows = store.read("runs").frame.set_index("run_id")
        assert rows["rate"].to_dict() == {"a": 7.5, "b": 1.5, "c": 1.5}
        assert store.read("history").frame.groupby("run_id").size().to_dict() == {"a": 2, "b": 2, "c": 2}
        assert store.read("examples").frame.groupby("run_id").size().to_dict() == {"a": 3, "b": 3, "c": 3}
        assert store.load_weights("a").keys() == {"weight"}
    assert number >= 3


def test_a_run_that_is_being_done_is_not_removed(store):
    with Claims(store.storage) as claims:
        claims.take(["a"])
        with pytest.raises(UserError, match=f"run a is being done by process {os.getpid()} on .*; stop it first"):
            remove(store, ["b", "a"])
    assert store.finished() == set("abc")


def newer(store, columns, version=None):
    """Give the compacted runs columns that this version does not know, as a newer one would write them."""
    (path,) = folder(store, "runs").iterdir()
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    if version:
        table = table.replace_schema_metadata({schema.VERSION_KEY: str(version)})
    pq.write_table(table, path)


UNKNOWN = {"note": ["x", None, "z"], "parts": [["p"], [], ["q", "r"]], "flag": [True, False, None]}


def test_columns_that_are_not_known_are_kept_and_told(store, caplog, tmp_path):
    newer(store, UNKNOWN)
    with caplog.at_level(logging.WARNING):
        assert len(store.read("runs").frame) == len(store.read("runs").frame) == 3
    assert caplog.text.count("made by a newer rdbench") == 1 and "note, parts, flag are kept" in caplog.text
    store.write(record("d"))
    extend(store, "a", {"iwae_9": -1.0}, {"iwae_9": [1.0, 2.0, 3.0]})
    compact(store)
    remove(store, ["b"])
    merge([store], into := Store(tmp_path / "into"))
    for place in (store, into):
        rows = pd.read_parquet(folder(place, "runs")).set_index("run_id")
        assert rows.loc[list("acd"), "note"].fillna("").tolist() == ["x", "z", ""]
        assert list(rows.loc["c", "parts"]) == ["q", "r"] and rows.loc["a", "flag"]


def test_the_version_of_the_schema_stays_and_a_file_that_needs_it_is_not_called_damaged(store):
    newer(store, {}, version=schema.VERSION + 1)
    store.write(record("a", rate=2.5), replacing=store.current()["a"])
    compact(store)
    (path,) = folder(store, "runs").glob("compacted-*")  # without the row that does not count any more
    assert schema.version(pq.read_schema(path)) == schema.VERSION + 1
    table = pq.read_table(path)
    index = table.column_names.index("rate")
    pq.write_table(table.set_column(index, "rate", pa.array([["1.5"]] * 2)), path)
    (line,) = store.read("runs").skipped
    assert "made by a newer rdbench (column rate" in line and "delete" not in line


def test_every_file_says_its_version(store):
    for table in TABLES:
        for path in folder(store, table).iterdir():
            assert schema.version(pq.read_schema(path)) == schema.VERSION


def test_a_row_whose_settings_only_another_version_knows_is_shown_as_such(store):
    """It is skipped, not called damaged; the others are shown."""
    config = json.dumps(json.loads(DESCRIBED["config"]) | {"precision": "float8"})
    store.write(record("d", config=config, rdbench_version="99.0"))
    rows = store.read("runs")
    assert sorted(rows.frame["run_id"]) == ["a", "b", "c"]
    (line,) = rows.skipped
    assert "float8" in line and "it was made by rdbench 99.0, and this is" in line
