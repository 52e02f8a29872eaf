"""The command line: parse, call, print. Commands import heavy modules inside their functions."""

from typing import Annotated

import typer

from rdbench import __version__
from rdbench.cli.checks import families, plugins, selftest
from rdbench.cli.data import data_app
from rdbench.cli.results import plot, report
from rdbench.cli.stores import evaluate, merge, runs
from rdbench.cli.sweep import sweep, toy

app = typer.Typer(
    help="The rate-distortion benchmark for latent-variable models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for command in (sweep, plot, report, runs, merge, evaluate, toy, selftest, families, plugins):
    app.command()(command)
app.add_typer(data_app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rdbench {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The rate-distortion benchmark for latent-variable models."""
