"""Options and arguments that several commands share."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from rdbench.config.parts import Kind, find, names
from rdbench.errors import UserError, one_of
from rdbench.runs.host import DEVICES


def among(*names: str) -> Callable[[typer.CallbackParam, str], str]:
    """A callback that refuses all other values of an option, before anything heavy is loaded."""

    def check(option: typer.CallbackParam, value: str) -> str:  # by these types Typer knows what to pass
        return one_of(option.opts[0], value, names)

    return check


def listed(kind: Kind) -> str:
    """The parts of a kind as a list for the help of an option."""
    told = (f"{name} ({find(kind, name).help})" for name in names(kind))
    return "; ".join(told).replace("[", r"\[") + "."  # Typer takes what is in brackets for markup


def expanded(path: Path | None) -> Path | None:
    """Expand a leading ~, which a shell leaves alone after an option's =."""
    return path and Path(os.path.expanduser(path))


DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of upstream data files.",
        envvar="RDBENCH_DATA_DIR",
        show_default="the user's cache",
        callback=expanded,
    ),
]
FamilyOption = Annotated[list[str], typer.Option(help="In words (gaussian-pixelcnn-vamp) or signs (-+v).")]
BetaOption = Annotated[list[float], typer.Option(help="Weight of the rate in D + βR.")]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any key of a run, such as width=0.5; commas give a run for each value."
    ),
]
BudgetOption = Annotated[
    str | None, typer.Option(help="Stop before so much time is over, such as 9m or 1h30m.", show_default="none")
]
AddressOption = Annotated[
    str | None, typer.Option(help="Of a Ray cluster.", show_default="the one that this machine is in, or a new one")
]
CpusOption = Annotated[float, typer.Option(min=0, help="What a run reserves on a Ray cluster.")]
GpusOption = Annotated[
    float | None,
    typer.Option(min=0, help="What a run reserves on a Ray cluster.", show_default="1 where --device takes a GPU"),
]
DatasetArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name from `rdbench data list`.")]
StoreArgument = Annotated[
    str, typer.Argument(metavar="STORE", help="Folder of a sweep's tables, such as outputs/demo, or its URL.")
]
StoresArgument = Annotated[
    list[str], typer.Argument(metavar="STORE…", help="Stores to read as one: folders of tables, or their URLs.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.", callback=among(*DEVICES))]
PluginOption = Annotated[
    list[Path],
    typer.Option("--plugin", metavar="FILE.py", help="Parts of your own, from a Python file that lists PARTS."),
]
JobsOption = Annotated[int, typer.Option(min=1, help="Runs at once, in processes of their own.")]


def several_or_auto(value: str) -> str:
    """A check of a number of jobs.

    Raises:
        UserError: it is neither a number nor ``auto``.
    """
    if not re.fullmatch(rf"{AUTO}|[1-9][0-9]{{0,5}}", value):
        raise UserError(f"--jobs: found {value!r}; expected {AUTO}, or a number of runs at once, such as 2")
    return value


AUTO = "auto"
SweepJobsOption = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        help="Runs at once, in processes of their own; auto times which number is fastest where a sweep is large.",
        callback=several_or_auto,
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what goes wrong.")]
WideOption = Annotated[bool, typer.Option("--wide", help="Show all columns, however narrow the terminal is.")]
