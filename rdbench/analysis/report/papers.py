"""A report's numbers for a paper: a LaTeX table, and every number as CSV."""

import re
from collections.abc import Collection

from rdbench.analysis.report.assemble import Report
from rdbench.analysis.report.cells import COLUMNS
from rdbench.errors import plain

ESCAPES = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "…": r"\ldots{}",
    "β": r"$\beta$",
    "λ": r"$\lambda$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "•": r"$\bullet$",
    "*": r"$^\ast$",
    "-": "{-}",  # three of them are a family, not a dash
    "ᵢ": "$_i$",
}


def latex(report: Report, columns: str = "measures") -> str:
    """The table of runs for the LaTeX package booktabs, with its caption in a comment."""
    table = COLUMNS[columns](report.rows)
    aligned = "".join("l" if header in table.left else "r" for header in table.headers)
    lines = [
        f"% {plain(table.title)}",
        f"% {plain(report.store)}; needs \\usepackage{{booktabs}}",
        rf"\begin{{tabular}}{{{aligned}}}",
        r"\toprule",
        _line(table.headers),
        r"\midrule",
        *map(_line, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def csv(report: Report, columns: str = "measures") -> str:
    """One row for each run with all its numbers, unrounded, whatever ``columns`` says."""
    lists = [name for name in report.runs if report.runs[name].map(lambda value: hasattr(value, "__len__")).any()]
    texts = [name for name in lists if report.runs[name].map(lambda value: isinstance(value, str)).any()]
    runs = report.runs.drop(columns=[name for name in lists if name not in texts])
    for name in texts:
        runs[name] = runs[name].map(plain, na_action="ignore")
    return runs.to_csv(index=False, lineterminator="\n").rstrip("\n")


def _line(cells: Collection[str]) -> str:
    return " & ".join(map(_escaped, cells)) + r" \\"


def _escaped(cell: str) -> str:
    signed = re.sub(r"^-(?=[0-9])", "−", plain(cell))
    return "".join(ESCAPES.get(letter, letter) for letter in signed)
