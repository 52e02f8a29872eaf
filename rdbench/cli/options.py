"""Options and arguments that several commands share."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from rdbench.config.parts import Kind, find, names
from rdbench.errors import UserError, one_of
from rdbench.execute.stopping import parse_duration
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


def time_option(option: str, told: str, default: str) -> Any:
    """An option that takes a text such as 9m and gives seconds; its default is a number of seconds already."""

    def seconds(value: str | float) -> float:
        return parse_duration(option, str(value))

    return typer.Option(parser=seconds, metavar="TIME", help=told, show_default=default)


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
        "--set",
        metavar="KEY=VALUE",
        help="A key of a run or a setting of a part (`rdbench families` lists these), such as width=0.5; "
        "commas give a run for each value.",
    ),
]
BudgetOption = Annotated[
    float | None, time_option("--time-budget", "Stop before so much time is over, such as 9m or 1h30m.", "none")
]
CheckpointOption = Annotated[
    float, time_option("--checkpoint-every", "How often a run keeps its state, to go on from.", "1m")
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


def jobs_or_auto(text: str) -> int | None:
    """A number of jobs; None for ``auto``.

    Raises:
        UserError: it is neither.
    """
    if not re.fullmatch(r"auto|[1-9][0-9]{0,5}", text):
        raise UserError(f"--jobs: found {text!r}; expected auto, or a number of runs at once, such as 2")
    return None if text == "auto" else int(text)


SweepJobsOption = Annotated[
    int | None,
    typer.Option(
        parser=jobs_or_auto,
        metavar="N|auto",
        show_default="auto",
        help="Runs at once, in processes of their own; auto times which number is fastest where a sweep is large.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what goes wrong.")]
WideOption = Annotated[bool, typer.Option("--wide", help="Show all columns, however narrow the terminal is.")]
