"""The formats of a report: Markdown and JSON, and by modules of their own text, LaTeX, CSV and one HTML page."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from rdbench.analysis.report.assemble import Report
from rdbench.analysis.report.cells import Cells, all_tables
from rdbench.analysis.report.html import page
from rdbench.analysis.report.papers import csv, latex
from rdbench.analysis.report.text import text
from rdbench.errors import plain

JSON_SCHEMA = 1
"""The version of the JSON format, raised when a key changes its meaning or is removed."""


def markdown(report: Report, columns: str = "measures") -> str:
    """Markdown tables, for example for the summary of a CI job."""
    parts = [f"# rdbench report: {_escaped(report.store)}", report.headline]
    parts += [f"## {_escaped(table.title)}\n\n{_piped(table)}" for table in all_tables(report, columns)]
    lines = [f"- {_escaped(line)}" for line in (*report.regressions, *report.problems)]
    if lines:
        parts.append("## Regressions and problems\n\n" + "\n".join(lines))
    if report.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {_escaped(line)}" for line in report.notes))
    return "\n\n".join(parts)


def as_json(report: Report, columns: str = "measures") -> str:
    """One JSON object with every column, whatever ``columns`` says; README.md lists its keys."""
    content = {
        "schema": JSON_SCHEMA,
        "store": report.store,
        "exit_code": report.exit_code,
        "regressions": report.regressions,
        "problems": report.problems,
        "notes": report.notes,
        "verdicts": [vars(verdict) for verdict in report.verdicts],
        "runs": _records(report.runs),
        "paper": _records(report.paper),
        "differences": _records(report.differences),
        "baseline": None if report.baseline is None else _records(report.baseline),
    }
    lines = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).split("\n")
    return "\n".join(line if line.isprintable() else _ascii(line) for line in lines)


def _ascii(line: str) -> str:
    """JSON in which letters that control a terminal are escaped."""
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in line)


def html(report: Report, columns: str = "measures") -> str:
    """One self-contained HTML page."""
    from rdbench.analysis.plots import page_figures  # here, because no other format needs matplotlib

    figures = page_figures(report.source, report.runs)
    return page(report, all_tables(report, columns), report.headline, figures)


FORMATS: dict[str, Callable[..., str]] = {
    "table": text,
    "markdown": markdown,
    "latex": latex,
    "csv": csv,
    "json": as_json,
    "html": html,
}


def _piped(table: Cells) -> str:
    rules = [":--" if header in table.left else "--:" for header in table.headers]
    rows = [table.headers, rules, *([_escaped(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


ESCAPES = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_{}[]<>()#+-!|~&"})


def _escaped(words: str) -> str:
    """Text escaped for Markdown, such as a family's signs, which would begin a list."""
    return plain(words).translate(ESCAPES)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    """A value that JSON can hold; NaN becomes null."""
    if isinstance(value, list | np.ndarray):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
