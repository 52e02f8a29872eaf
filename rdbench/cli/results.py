"""`rdbench plot` and `rdbench report`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdbench.cli.ended import terminal_width
from rdbench.cli.options import (
    BetaOption,
    DataDir,
    FamilyOption,
    PluginOption,
    StoresArgument,
    WideOption,
    among,
    expanded,
)
from rdbench.config.parts import names
from rdbench.errors import ExitCode

if TYPE_CHECKING:
    from rdbench.analysis.stores import Source


def plot(
    stores: StoresArgument,
    kind: Annotated[
        list[str], typer.Option(help=f"{', '.join(names('figure'))}; `rdbench families` says what each is.")
    ] = [],
    family: FamilyOption = [],
    beta: BetaOption = [],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for figures.",
            show_default="figures in the store, or under outputs where it is only read",
            callback=expanded,
        ),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Of png, svg and pdf, with commas between.")] = "png,svg",
    width: Annotated[float, typer.Option(min=2.5, max=20, help="Inches; text is of 8 points at any width.")] = 7.0,
    style: Annotated[str, typer.Option(help="colour or grey.", callback=among("colour", "grey"))] = "colour",
    reference: Annotated[bool, typer.Option(help="Show the points that the paper prints.")] = False,
    points: Annotated[
        Path | None,
        typer.Option(help="CSV file of other points: rate and distortion, and label, family, dataset if wanted."),
    ] = None,
    data_dir: DataDir = None,
    plugin: PluginOption = [],
) -> None:
    """Draw figures of the runs of stores: of every kind that they have the numbers for, or of those asked for.

    A line on stderr says where figures went if not into the store, and which of other content they replaced.
    """
    import pandas as pd

    from rdbench.analysis.plots import Look, draw, paper_points, read_points
    from rdbench.analysis.report import select
    from rdbench.config.plugins import load_plugins
    from rdbench.errors import plain
    from rdbench.store.store import Store

    load_plugins(plugin)
    source = _source(stores)
    rows = source.read("runs")
    chosen = select(rows.frame, family, beta, None)
    others = ([paper_points()] if reference else []) + ([read_points(points)] if points else [])
    look = Look(width, style, pd.concat(others, ignore_index=True)) if others else Look(width, style)
    own = Store(stores[0]).figures() if len(stores) == 1 else None
    elsewhere = Path("outputs") / source.name / "figures"
    folder = out or own or elsewhere
    suffixes = [name.strip() for name in formats.split(",")]
    paths, left_out, replaced = draw(source, chosen, kind, suffixes, folder, look, data_dir)
    for path in paths:
        typer.echo(path)
    for line in (*left_out, *rows.skipped):
        typer.echo(line, err=True)
    if paths and out is None and own is None:
        typer.echo(plain(f"{source} is only read; its figures are in {folder}"), err=True)
    if replaced:
        names = ", ".join(path.name for path in replaced)
        typer.echo(plain(f"other figures were replaced in {folder}: {names}; --out FOLDER spares them"), err=True)
    raise typer.Exit(ExitCode.USAGE if kind and left_out else ExitCode.INCOMPLETE if rows.skipped else ExitCode.OK)


def report(
    stores: StoresArgument,
    family: FamilyOption = [],
    beta: BetaOption = [],
    where: Annotated[
        str | None, typer.Option(help="Conditions on columns, such as 'rate < 10 and width == 1'.")
    ] = None,
    format_name: Annotated[str, typer.Option("--format", help="table, markdown, latex, csv, json or html.")] = "table",
    columns: Annotated[str, typer.Option(help="Which numbers of a run: measures, or information.")] = "measures",
    out: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="the terminal", callback=expanded)
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="A store to compare with, run by run.")] = None,
    wide: WideOption = False,
    check: Annotated[bool, typer.Option("--check", help="Let the exit code say what was found.")] = False,
) -> None:
    """Report the runs of stores: numbers, verdicts, the paper's numbers beside them, differences.

    Exit codes with --check: 0 nothing broke; 1 a regression or broken bound; 2 wrong usage; 3 missing or failed runs.

    Without it: 0, 2 on wrong usage, 3 if a file in the store cannot be read.
    """
    from rdbench.analysis.report import COLUMNS, FORMATS, assemble
    from rdbench.analysis.report.text import text
    from rdbench.errors import UserError, unknown
    from rdbench.store.store import Store

    if format_name not in FORMATS:
        raise unknown("format", format_name, FORMATS)
    if columns not in COLUMNS:
        raise unknown("choice of --columns", columns, COLUMNS)
    found = assemble(_source(stores), family, beta, where, Store(baseline) if baseline else None)
    if out is None and format_name == "table" and not wide:
        content = text(found, columns, terminal_width())
    else:
        content = FORMATS[format_name](found, columns)
    if out is None:
        typer.echo(content)
    else:
        try:
            out.write_text(content + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {out}: {error.strerror}; name another file with --out") from None
    raise typer.Exit(found.exit_code if check else ExitCode.INCOMPLETE if found.skipped else ExitCode.OK)


def _source(locations: Sequence[str]) -> "Source":
    """The store at one location, or the stores at several locations as one."""
    from rdbench.analysis.stores import Stores
    from rdbench.store.store import Store

    stores = [Store(location) for location in locations]
    return stores[0] if len(stores) == 1 else Stores(stores)
