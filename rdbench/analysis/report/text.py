"""A report as text, fitted to a terminal.

Columns that are equal in all rows are named below their table, and those that do not fit are left out.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from rdbench.analysis.report.assemble import Report
from rdbench.analysis.report.cells import Cells, all_tables
from rdbench.errors import plain

FIRST_OUT = (
    "s",
    "train s",
    "eval s",
    "annealed",
    "Rᵢ > 0.01",
    "active",
    "S",
    "U",
    "E",
    "G",
    "on runs",
    "dataset",
    "protocol",
    "judgement",
)
"""Columns in the order in which they are left out; then go the bounds of smallest k, then columns from the right."""
KEPT = ("R", "D", "−ELBO", "nats per image", "truth", "estimate", "total")
GAP = 2
NARROWEST = 12
"""Letters to a line of a column of words that is broken over lines."""


def text(report: Report, columns: str = "measures", width: int | None = None) -> str:
    """Aligned columns for a terminal of this width; whole tables if it is None."""
    tables = [fitted(table, width) for table in all_tables(report, columns)]
    closing = [plain(line) for line in (*report.regressions, *report.problems, *report.notes, report.headline)]
    lines = closing if width is None else [part for line in closing for part in textwrap.wrap(line, width)]
    return "\n\n".join([*tables, "\n".join(lines)])


def aligned(table: Cells) -> str:
    """The whole table, with aligned columns."""
    rows = [[plain(cell) for cell in row] for row in table.rows]
    widths = _widths(table.headers, rows)
    lines = [table.headers, ["─" * width for width in widths], *rows]
    return "\n".join([table.title, "", *(_line(cells, widths, _left(table)) for cells in lines)])


def fitted(table: Cells, width: int | None, whole: str = "--wide shows all") -> str:
    """The table in lines of at most ``width`` letters, or ``aligned`` if that is None; numbers are never broken.

    ``whole`` says how to get the whole table.
    """
    if width is None:
        return aligned(table)
    rows = [[plain(cell) for cell in row] for row in table.rows]
    same = _same_in_all(table.headers, rows)
    kept = [index for index in range(len(table.headers)) if index not in same]
    out = _left_out([table.headers[index] for index in kept], _columns(table.headers, rows, kept), width, table)
    kept = [index for index in kept if table.headers[index] not in out]
    shown = replace(table, headers=[table.headers[index] for index in kept],
                    rows=[[row[index] for index in kept] for row in rows])  # fmt: skip
    notes = []
    if same:
        notes.append(
            "the same in every row: " + ", ".join(f"{table.headers[index]} {rows[0][index]}" for index in same)
        )
    if out:
        notes.append(f"left out to fit: {', '.join(header for header in table.headers if header in out)}; {whole}")
    parts = [*textwrap.wrap(table.title, width), "", *_broken(shown, width)]
    return "\n".join([*parts, *(line for note in notes for line in textwrap.wrap(note, width))])


def _same_in_all(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns, after the first and without measures, that are equal in all of several rows."""
    if len(rows) < 2:
        return []
    columns = list(zip(*rows, strict=True))
    return [
        index
        for index in range(1, len(headers))
        if len(set(columns[index])) == 1 and columns[index][0] and headers[index] not in KEPT
    ]


def _left_out(headers: Sequence[str], columns: Sequence[Sequence[str]], width: int, table: Cells) -> set[str]:
    """The columns to leave out, the least important first, until the rest fits or only columns of words remain."""
    needs = dict(zip(headers, (max(map(len, column)) for column in columns), strict=True))
    words = {header: min(needs[header], max(NARROWEST, len(header))) for header in headers[1:] if header in table.left}
    needs |= words  # these can be broken over lines
    out: set[str] = set()
    may_go = {header for header in headers[1:] if header in FIRST_OUT or header not in table.left} - set(KEPT)
    for header in sorted(may_go, key=lambda header: _importance(header, headers)):
        if sum(needs.values()) + GAP * (len(needs) - 1) <= width:
            break
        out.add(header)
        del needs[header]
    return out


def _importance(header: str, headers: Sequence[str]) -> tuple[int, int]:
    if header in FIRST_OUT:
        return 0, FIRST_OUT.index(header)
    bound = re.fullmatch(r"−IWAE-(\d+)", header)
    return (1, int(bound[1])) if bound else (2, -headers.index(header))


def _broken(table: Cells, width: int) -> list[str]:
    """The lines of a table; if it is too wide, columns of words are broken over lines, the first column last."""
    widths = _widths(table.headers, table.rows)
    words = [index for index, is_left in enumerate(_left(table)) if is_left]
    while sum(widths) + GAP * (len(widths) - 1) > width:
        wide = [index for index in words if widths[index] > NARROWEST]
        if not wide:
            break
        widths[max(wide, key=lambda index: (index > 0, widths[index]))] -= 1
    lines = [_line(table.headers, widths, _left(table)), _line(["─" * each for each in widths], widths, _left(table))]
    for row in table.rows:
        cells = [
            textwrap.wrap(cell, widths[index]) or [""] if index in words else [cell] for index, cell in enumerate(row)
        ]
        for part in range(max(map(len, cells))):
            lines.append(_line([cell[part] if part < len(cell) else "" for cell in cells], widths, _left(table)))
    return lines


def _left(table: Cells) -> list[bool]:
    return [header in table.left for header in table.headers]


def _columns(headers: Sequence[str], rows: Sequence[Sequence[str]], kept: Sequence[int]) -> list[list[str]]:
    return [[headers[index], *(row[index] for row in rows)] for index in kept]


def _widths(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(headers, *rows, strict=True)]


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    padded = (
        cell.ljust(width) if is_left else cell.rjust(width)
        for cell, width, is_left in zip(cells, widths, left, strict=True)
    )
    return (" " * GAP).join(padded).rstrip()
