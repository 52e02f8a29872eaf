"""The report as one self-contained HTML page: figures inside, tables that sort and filter."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template

from rdbench.analysis.report.assemble import Report
from rdbench.analysis.report.cells import Cells
from rdbench.errors import plain


def page(report: Report, tables: list[Cells], headline: str, figures: Mapping[str, str]) -> str:
    """The page, with figures in SVG; every text from the store is escaped."""
    template = Template((files("rdbench.analysis.report") / "page.html").read_text(encoding="utf-8"))
    lines = [*report.regressions, *report.problems, *report.notes]
    return template.substitute(
        store=_escaped(report.store),
        headline=_escaped(headline),
        state={0: "good", 1: "bad", 3: "missing"}[report.exit_code],
        notes="".join(f"<li>{_escaped(line)}</li>" for line in lines),
        figures="".join(_figure(name, figure) for name, figure in figures.items()),
        tables="".join(map(_table, tables)),
        commands=_commands(report),
    )


def _escaped(words: str) -> str:
    return escape(plain(words))


def _figure(name: str, svg: str) -> str:
    return f'<figure aria-label="{_escaped(name)}">{svg[svg.index("<svg") :]}</figure>'


def _table(table: Cells) -> str:
    heads = "".join(f'<th><button type="button">{_escaped(header)}</button></th>' for header in table.headers)
    rows = "".join(
        "<tr>" + "".join(
            f'<td{"" if header in table.left else " class=number"}>{_escaped(cell)}</td>'
            for header, cell in zip(table.headers, row, strict=True)
        ) + "</tr>"
        for row in table.rows
    )  # fmt: skip
    return (
        f"<section><h2>{_escaped(table.title)}</h2>"
        '<input type="search" placeholder="filter rows" aria-label="filter rows">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _commands(report: Report) -> str:
    """What made the runs, and what made this page, a line each."""
    made = sorted({str(command) for command in report.runs["command"].dropna()}) if "command" in report.runs else []
    return "\n".join(map(_escaped, [*made, f"rdbench report {report.store} --format html"]))
