"""What a command that did runs prints at its end."""

from typing import TYPE_CHECKING

import typer

from rdbench.execute.output import unstoppable

if TYPE_CHECKING:
    import pandas as pd


@unstoppable()
def print_runs(runs: "pd.DataFrame", store: str) -> None:
    """Print the table of these runs of a store, and the command that draws them."""
    from rdbench.analysis.frame import join_seeds, mark_frontier, sort_runs
    from rdbench.analysis.report.cells import runs_table
    from rdbench.analysis.report.formats import aligned
    from rdbench.errors import plain

    typer.echo(aligned(runs_table(join_seeds(mark_frontier(sort_runs(runs))))))
    typer.echo(plain(f"results are in {store}; draw them with: rdbench plot {store}"))
