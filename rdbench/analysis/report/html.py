"""The report as one self-contained HTML page with linked figures, tables and runs."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from rdbench.analysis.frame import labels
from rdbench.analysis.report.assemble import Report
from rdbench.analysis.report.cells import Cells, with_error
from rdbench.analysis.stores import each
from rdbench.config.aims import aim
from rdbench.config.family import family_of
from rdbench.errors import ExitCode, plain

TONES = {"#ffffff": "var(--paper)", "#000000": "currentColor", "#595959": "var(--dim)"}
"""The colours of a figure that change in dark mode."""


def page(report: Report, tables: list[Cells], headline: str, figures: Mapping[str, str]) -> str:
    """The page, with figures as SVG; every text from the store is escaped."""
    template = Template((files("rdbench.analysis.report") / "page.html").read_text(encoding="utf-8"))
    lines = [*report.regressions, *report.problems, *report.notes]
    return template.substitute(
        store=_escaped(report.store),
        headline=_escaped(headline),
        state={ExitCode.OK: "good", ExitCode.BROKEN: "bad", ExitCode.INCOMPLETE: "missing"}[report.exit_code],
        notes="".join(f"<li>{_escaped(line)}</li>" for line in lines),
        figures="".join(_figure(name, svg) for name, svg in figures.items()),
        tables="".join(map(_table, tables)),
        runs="".join(_details(run) for run in _runs(report)),
        data=_script(_runs(report)),
        commands=_commands(report),
    )


def _escaped(words: str) -> str:
    return escape(plain(words))


def _script(value: Any) -> str:
    """JSON for a script element, which no text of a store can end."""
    return json.dumps(value).replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _figure(name: str, svg: str) -> str:
    """A figure whose ids cannot clash with the page's, in colours that follow the page's."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'id="(run|family) ([^"]*)"', r'data-\1="\2"', svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, tone in TONES.items():
        svg = svg.replace(colour, tone)
    return f"<figure><figcaption>{_escaped(name)}</figcaption>{svg}</figure>"


def _table(table: Cells) -> str:
    heads = "".join(
        f'<th{"" if header in table.left else " class=number"}><button type="button">{_escaped(header)}</button></th>'
        for header in table.headers
    )
    run_ids: Sequence[Sequence[str]] = table.run_ids or [()] * len(table.rows)
    rows = "".join(map(_row, [table] * len(table.rows), table.rows, run_ids))
    return (
        f'<section><h2>{_escaped(table.title)}</h2><button type="button" class="download">CSV</button>'
        f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        "</section>"
    )


def _row(table: Cells, cells: Sequence[str], run_ids: Sequence[str]) -> str:
    about = f' data-runs="{_escaped(" ".join(map(str, run_ids)))}"' if run_ids else ""
    kinds = ["" if header in table.left else " class=number" for header in table.headers]
    parts = (f"<td{kind}>{_escaped(cell)}</td>" for kind, cell in zip(kinds, cells, strict=True))
    return f"<tr{about}>{''.join(parts)}</tr>"


def _runs(report: Report) -> list[dict[str, Any]]:
    """The data of each run in the page: filters, measures, settings and command."""
    return [
        {
            "id": str(run["run_id"]),
            "label": plain(words),
            "family": str(run["family"]),
            "signs": plain(family_of(run["family"]).signs),
            "aim": aim(run),
            "status": str(run["status"]),
            "numbers": {name: with_error(run, column, sign) for name, (column, sign) in NUMBERS.items()},
            "settings": {name: plain(json.dumps(value)) for name, value in json.loads(run["config"]).items()},
            "command": plain(run["command"]) if isinstance(run.get("command"), str) else "",
        }
        for run, words in zip(report.runs.to_dict("records"), labels(report.runs), strict=True)
    ]


NUMBERS = {"R": ("rate", 1), "D": ("distortion", 1), "−ELBO": ("elbo", -1)}


def _details(run: Mapping[str, Any]) -> str:
    settings = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in run["settings"].items())
    command = f"<pre>{escape(run['command'])}</pre>" if run["command"] else "<p>Its command was not recorded.</p>"
    return (
        f'<details data-runs="{escape(run["id"])}"><summary><code>{escape(run["id"])}</code> {escape(run["label"])} '
        f"{escape(run['status'])}</summary>{command}<dl>{settings}</dl></details>"
    )


def _commands(report: Report) -> str:
    """The commands that made the runs, and the one that made this page."""
    made = sorted({str(command) for command in report.runs["command"].dropna()}) if "command" in report.runs else []
    return "\n".join(
        map(_escaped, [*made, shlex.join(["rdbench", "report", *map(str, each(report.source)), "--format", "html"])])
    )
