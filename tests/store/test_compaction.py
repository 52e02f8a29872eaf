"""A compaction that stands still before each of its requests, while others read and change the store."""

import itertools
import math
import os

import numpy as np
import pytest

from rdbench.config.run_config import RunConfig
from rdbench.store.changes import compact, extend, remove
from rdbench.store.claims import Claims
from rdbench.store.columns import TABLES
from rdbench.store.folder import LocalStorage
from rdbench.store.schema import Record
from rdbench.store.store import Store

DESCRIBED = {"config": RunConfig().model_dump_json(), "dataset_sha256": "d" * 64, "error": None}
COLUMNS = {"runs": ("rate", 1), "history": ("valid_rate", 2), "examples": ("rate", 3)}
"""Of each table a column that has the rate of a run in every row, and how many rows a run has."""


def record(run_id, rate):
    return Record(
        run_id,
        {"run_id": run_id, "status": "ok", "rate": rate, **DESCRIBED},
        {"run_id": [run_id] * 2, "epoch": [1, 2], "valid_rate": [rate] * 2},
        {"run_id": [run_id] * 3, "index": np.arange(3), "rate": np.full(3, rate, np.float32)},
        {"weight": np.full(2, rate, np.float32)},
    )


def rates(store):
    """What a reader finds: the rate of each run, the same in all tables and rows, each row once."""
    found = []
    for table, (column, count) in COLUMNS.items():
        rows = store.arrow(table)
        pairs = sorted(zip(rows["run_id"].to_pylist(), rows[column].to_pylist(), strict=True))
        assert pairs == sorted(dict(pairs).items()) * count or pairs == [
            pair for pair in sorted(dict(pairs).items()) for _ in range(count)
        ]
        found.append(dict(pairs))
    assert found[0] == found[1] == found[2]
    return found[0]


@pytest.fixture(scope="module")
def files_to_compact(tmp_path_factory):
    """The files of a store of three runs: a and c are compacted, c was done again since, b was never compacted."""
    store = Store(tmp_path_factory.mktemp("whole"))
    store.prepare()
    for run_id, rate in (("a", 1.0), ("c", 0.0)):
        store.write(record(run_id, rate))
    compact(store)
    store.write(record("b", 2.0))
    store.write(record("c", 3.0), store.current(["c"])["c"])
    names = [name for folder in (*TABLES, "checkpoints") for name in store.storage.names(folder)]
    return {name: store.storage.read(name) for name in names}


BEGUN = {"a": 1.0, "b": 2.0, "c": 3.0}


@pytest.fixture(params=["folder", "s3"])
def fill(request, tmp_path, files_to_compact, monkeypatch):
    """A function that gives the location of one more store of these files."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power fails here
    query = request.getfixturevalue("bucket") if request.param == "s3" else ""
    count = itertools.count(1)

    def make():
        number = next(count)
        location = f"s3://bench/{tmp_path.name}-{number}?{query}" if query else tmp_path / str(number)
        store = Store(location)
        store.prepare()
        for name, content in files_to_compact.items():
            store.storage.write(name, content)
        return location

    return make


READING, CHANGING = ("open", "_entries", "_entry"), ("write", "_delete")


class Between:
    """Does ``work`` before each request of a compaction, after all its checks: then the request is made all the same.

    Requests of ``work`` itself, and those about claims, are made at once.
    """

    def __init__(self, store, requests, work, monkeypatch):
        self.work = work
        self.working = False
        for name in requests:
            method = getattr(type(store.storage), name)
            monkeypatch.setattr(
                type(store.storage), name, self.written(method) if name == "write" else self.asked(method)
            )

    def do(self):
        if not self.working:
            self.working = True
            self.work()
            self.working = False

    def asked(self, method):
        def asking(storage, name, *rest):
            if not name.startswith("claims"):
                self.do()
            return method(storage, name, *rest)

        return asking

    def written(self, method):
        def writing(storage, name, content):
            check = storage.before_change
            if not name.startswith("claims"):
                storage.before_change = lambda: (check(), self.do())
            try:
                method(storage, name, content)
            finally:
                storage.before_change = check

        return writing


def test_a_reader_finds_each_run_once_before_every_request_of_a_compaction(fill, monkeypatch):
    """In a bucket, where requests take long, before every file that is written."""
    store, found = Store(fill()), []
    in_folder = isinstance(store.storage, LocalStorage)
    with monkeypatch.context() as patch:
        Between(
            store,
            READING + CHANGING if in_folder else ["write"],
            lambda: found.append(rates(Store(store.storage.location))),
            patch,
        )
        compact(store)
    assert len(found) > (40 if in_folder else 2) and all(rates == BEGUN for rates in found)
    assert rates(store) == BEGUN


def lapse(claims):
    """What time does to the claim of a process that stands still: another process deletes it as too old."""
    claims.renewed = -math.inf
    for name in claims.storage.names("claims"):
        claims.storage.delete(name)


def changed(store, number, compacts, monkeypatch):
    """Compact a store that others change before the ``number``-th change; whether there were as many."""
    claimed, begin, count = [], Claims.__enter__, itertools.count(1)

    def change():
        if next(count) == number:
            lapse(claimed[0])
            other = Store(store.storage.location)
            assert other.write(record("a", 7.5), other.current(["a"])["a"])
            remove(other, ["b"])
            extend(other, "c", {"iwae_9": -9.0}, {"iwae_9": np.full(3, -9.0, np.float32)})
            assert other.write(record("d", 4.0))
            if compacts:
                compact(other)

    with monkeypatch.context() as patch:
        patch.setattr(Claims, "__enter__", lambda claims: (claimed.append(claims), begin(claims))[1])
        Between(store, CHANGING, change, patch)
        compact(store)
    return next(count) > number


def test_nothing_is_lost_or_comes_back_if_a_compaction_stood_still_before_a_change(fill, monkeypatch):
    """Others take over the claim meanwhile, and the compaction then makes the change that it stood before.

    In a bucket only its first changes are tried, a file written and one deleted.
    """
    for number in itertools.count(1):
        store = Store(fill())
        if number > 2 and not isinstance(store.storage, LocalStorage):
            return
        if not changed(store, number, number % 2, monkeypatch):
            break
        assert rates(store) == {"a": 7.5, "c": 3.0, "d": 4.0}
        assert store.arrow("runs", ["c"])["iwae_9"].to_pylist() == [-9.0]
        assert store.load_weights("a")["weight"].tolist() == [7.5, 7.5]
        assert not store.storage.names("claims")
    assert number > 12
