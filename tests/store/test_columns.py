"""The table of columns: what tests and published stores have is declared, and the page says what it says."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import rdbench
from rdbench.config.parts import OWN, Origin, Part, Setting
from rdbench.errors import UserError
from rdbench.store.columns import (
    COLUMNS,
    FLAG,
    LIST,
    NUMBER,
    SINGLE,
    TABLES,
    TEXT,
    TYPES,
    WHOLE,
    Declared,
    check_settings,
    known_type,
)

ROOT = Path(rdbench.__file__).parent
PAGE = (ROOT / "store" / "COLUMNS.md").read_text()
WORDS = {TEXT: "text", WHOLE: "whole number", FLAG: "true or false", NUMBER: "number", LIST: "list of numbers",
         SINGLE: "number in single precision"}  # fmt: skip
PUBLISHED = sorted((ROOT.parent / "results").glob("*/runs"))


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_every_column(table):
    section = PAGE.partition(f"## `{table}`\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    expected = [page_row(column) for column in COLUMNS[table]]
    for line in expected:
        assert line in rows, f"rdbench/store/COLUMNS.md, {table}: add the line\n{line}"
    assert rows == expected


def page_row(column: Declared) -> str:
    more = ["`_se`"] * column.error + [f"`{split}_`" for split in column.splits]
    meaning = column.meaning.replace("|", "\\|")
    return f"| `{column.name}` | {WORDS[column.type]} | {column.unit} | {meaning} | {', '.join(more)} |"


@pytest.mark.parametrize("table", TABLES)
def test_each_column_is_declared_once(table):
    names = [name for column in COLUMNS[table] for name in column.names]
    assert len(names) == len(set(names))
    assert all(column.meaning for column in COLUMNS[table])


@pytest.mark.parametrize("runs", PUBLISHED, ids=lambda folder: folder.parent.name)
def test_published_stores_have_declared_columns_in_their_types(runs):
    for table in TABLES:
        for path in (runs.parent / table).glob("*.parquet"):
            assert {field.name: field.type for field in pq.read_schema(path)} == {
                name: known_type(table, name) for name in pq.read_schema(path).names
            }


@pytest.mark.parametrize(
    "name", ["iwae_5_gap_se", "train_iwae_50", "valid_elbo_se", "ais_100_less_iwae", "predictive_12"]
)
def test_a_column_of_any_k_is_a_number(name):
    assert known_type("runs", name) == TYPES[float]


@pytest.mark.parametrize("name", ["iwae", "iwae_x", "rate_5", "train_ais_5", "sources", "entropy_se", "iwae_5_6"])
def test_what_nobody_declared_is_unknown(name):
    assert known_type("runs", name) is None


@pytest.mark.parametrize(
    ("name", "kind"), [("labels", str), ("seed", int), ("allow_untrained", bool), ("warmup", float), ("gradient", str)]
)
def test_a_key_of_a_run_and_a_setting_of_a_part_are_columns_of_their_types(name, kind):
    assert known_type("runs", name) == TYPES[kind]


@pytest.mark.parametrize("name", ["rate", "iwae_5", "status"])
def test_a_setting_that_would_be_another_column_is_refused(name):
    check_settings(OWN)
    part = Part("encoder", "mine", "m:M", settings=(Setting(name, 1, ""),), origin=Origin("mine.py", "", "", "mine.py"))
    with pytest.raises(UserError, match=f"encoder 'mine' of mine.py, setting '{name}': this is a column of runs"):
        check_settings([part])
