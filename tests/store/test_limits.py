"""Tables that are small files and large in memory."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rdbench.runs.device import peak_memory
from rdbench.store import limits, parquet
from rdbench.store.claims import owners
from rdbench.store.plans import missing
from rdbench.store.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def why_skipped(store, columns, **options):
    """The line for a table of these columns."""
    path = f"{store}/runs/x.parquet"
    pq.write_table(pa.table(columns), path, **options)
    tables, (line,) = parquet.load(store.storage, "runs", None, None)
    assert not tables and "x.parquet: not a table of runs" in line
    return line


def equal(value, count):
    """A column of one value, ``count`` times, which takes a few bytes in a file."""
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([value]))


def test_rows_columns_and_values_are_counted_before_they_are_read(store, monkeypatch):
    rows = limits.ROWS["runs"] + 1
    keys = {"run_id": equal("a", rows), "status": equal("ok", rows)}
    assert "found 1,000,001 rows; expected at most 1,000,000" in why_skipped(store, keys, store_schema=False)
    keys = {"run_id": ["a"], "status": ["ok"]}
    many = {f"iwae_{k}": [1.0] for k in range(1, limits.COLUMNS)}
    assert "found 5,001 columns; expected at most 5,000" in why_skipped(store, keys | many)
    monkeypatch.setattr(limits, "VALUES", 1000)
    assert "found 1,002 values; expected at most 1,000" in why_skipped(
        store, keys | {"rate_by_dimension": [[0.5] * 1000]}
    )
    monkeypatch.setattr(limits, "VALUES", 10_000)
    monkeypatch.setattr(limits, "BYTES", 10_000)
    line = why_skipped(store, keys | {"error": ["x" * 10_000]}, compression="zstd")
    assert "bytes once decompressed; expected at most 10,000" in line


def test_a_text_that_stands_once_and_is_named_in_many_rows_is_not_multiplied(store, monkeypatch):
    """A file of kilobytes that would take 2 GB."""
    monkeypatch.setattr(limits, "BYTES", 2**28)
    keys = {"run_id": equal("a", 100_000), "status": equal("ok", 100_000)}
    before = peak_memory(torch.device("cpu"))
    line = why_skipped(store, keys | {"error": equal("x" * 20_000, 100_000)}, store_schema=False)
    assert "found 2,000,000,000 bytes of text; expected at most 268,435,456" in line
    assert peak_memory(torch.device("cpu")) - before < 2**27


def test_honest_texts_in_many_rows_are_read(store, monkeypatch):
    monkeypatch.setattr(limits, "BYTES", 10_000)
    ids = [f"run{index}" for index in range(50)]
    table = pa.table({"run_id": ids, "status": equal("ok", 50), "error": [f"{index} " * 40 for index in range(50)]})
    pq.write_table(table, f"{store}/runs/x.parquet")
    assert parquet.load(store.storage, "runs", None, None)[0][0]["error"].to_pylist() == table["error"].to_pylist()


def test_a_plan_or_a_claim_beyond_all_measure_is_not_read(store):
    """They are empty files that say to be long, and take no disk."""
    for name in ("plans/x.json", "claims/a.x.json"):
        with open(f"{store}/{name}", "wb") as file:
            file.truncate(2**32)
    before = peak_memory(torch.device("cpu"))
    _, (line,) = missing(store.storage, [])
    assert "plans/x.json: cannot be read (found 4,294,967,296 bytes; expected at most 268,435,456)" in line
    assert owners(store.storage) == {}
    assert peak_memory(torch.device("cpu")) - before < 2**27
