"""Rows of a CSV file, whose columns keep their order when those of the script change."""

from pathlib import Path

import pandas as pd
import pytest

import rdbench


@pytest.fixture
def append(monkeypatch):
    monkeypatch.syspath_prepend(Path(rdbench.__file__).parent.parent / "benchmarks")
    from machine import append

    return append


def test_a_row_follows_the_header_of_its_file(append, tmp_path):
    out = tmp_path / "rows.csv"
    append(out, {"rate": 1e-2, "batch": 32})
    append(out, {"batch": 16, "rate": 5e-3})
    assert pd.read_csv(out).to_dict("list") == {"rate": [1e-2, 5e-3], "batch": [32, 16]}


def test_a_row_of_other_columns_is_refused_and_the_file_stays_as_it_was(append, tmp_path):
    out = tmp_path / "rows.csv"
    append(out, {"rate": 1e-2})
    with pytest.raises(ValueError, match="warmup"):
        append(out, {"rate": 1e-2, "warmup": 0.3})
    assert out.read_text().split() == ["rate", "0.01"]
