"""Tables on a terminal, and what a command that did runs prints at its end."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

import typer

from rdbench.errors import ExitCode

if TYPE_CHECKING:
    from rdbench.analysis.report.cells import Cells
    from rdbench.execute.runner import Ended

PIPED = "through a pipe the table is whole"
"""How to get a command's whole table if the command has no --wide."""


def terminal_width() -> int | None:
    """The width of the terminal in letters; None if stdout is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def in_terminal(table: "Cells", wide: bool = False, whole: str = "--wide shows all") -> str:
    """The table cut to the terminal's width, or whole if there is no terminal or with ``wide``."""
    from rdbench.analysis.report.text import fitted

    return fitted(table, None if wide else terminal_width(), whole)


def end(ended: "Ended", store: str, quiet: bool, more: Iterable[str] = ()) -> NoReturn:
    """End a command that did runs: print their table, how to draw them, and ``more``; exit with how they ended.

    Raises:
        typer.Exit: always.
    """
    from rdbench.analysis.frame import join_seeds, mark_frontier, sort_runs
    from rdbench.analysis.report.cells import runs_table
    from rdbench.errors import plain

    if not quiet:
        named = shlex.quote(os.path.expanduser(store))
        table = runs_table(join_seeds(mark_frontier(sort_runs(ended.runs))))
        typer.echo(in_terminal(table, whole=f"all with: rdbench report {named} --wide"))
        typer.echo(plain(f"results are in {store}; draw them with: rdbench plot {named}"))
        for line in more:
            typer.echo(line)
    raise typer.Exit(ExitCode.BROKEN if ended.failed else ExitCode.OK)
