"""Tables on terminals of several widths, against the same tables whole."""

import re
from pathlib import Path

import pytest

from rdbench.analysis.report import assemble
from rdbench.analysis.report.cells import Cells, all_tables
from rdbench.analysis.report.text import aligned, fitted
from rdbench.store.store import Store

RESULTS = Path(__file__).parent.parent.parent.parent / "results"
STORES = sorted(path.parent for path in RESULTS.glob("*/runs"))
NUMBER = re.compile(r"[−\d.]+±[\d.]+[*]?|[+-]?\d+\.\d+")
TABLE = Cells(
    "Runs",
    ["family", "β", "R", "D", "−ELBO", "−IWAE-1", "−IWAE-50", "s", "status"],
    [["---", "1", "10.00±0.10", "80.00±0.10", "90.00±0.10", "90.01±0.10", "88.00±0.10", "12", "ok"],
     ["-+-", "1", "0.01±0.01", "85.00±0.10", "85.01±0.10", "85.02±0.10", "84.00±0.10", "120", "failed: no memory"]],
)  # fmt: skip


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(store):
    report = assemble(Store(store), [], [], None, None)
    for table in [*all_tables(report, "measures"), *all_tables(report, "information")]:
        for width in (80, 100, 120):
            shown = fitted(table, width)
            assert max(map(len, shown.splitlines())) <= width, shown
            assert set(NUMBER.findall(shown)) <= set(NUMBER.findall(aligned(table)))


def test_what_does_not_fit_is_left_out_by_importance_and_named():
    lines = fitted(TABLE, 66).splitlines()
    assert lines[2].split() == ["family", "R", "D", "−ELBO", "status"]
    assert lines[-2:] == [
        "the same in every row: β 1",
        "left out to fit: −IWAE-1, −IWAE-50, s; --wide shows all",
    ]
    assert fitted(TABLE, 79).splitlines()[2].split() == ["family", "R", "D", "−ELBO", "−IWAE-50", "status"]


def test_words_are_broken_over_lines_and_numbers_are_not():
    lines = fitted(TABLE, 58).splitlines()
    assert lines[4].split() == ["---", "10.00±0.10", "80.00±0.10", "90.00±0.10", "ok"]
    assert [line.split()[-1] for line in lines[5:7]] == ["no", "memory"]


def test_where_there_is_no_terminal_the_table_is_whole():
    assert fitted(TABLE, None) == aligned(TABLE)
    assert "left out" not in fitted(TABLE, 200) and "β 1" in fitted(TABLE, 200)
