"""Options and arguments that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from rdbench.errors import UserError


def one_of(*names: str) -> Callable[[typer.CallbackParam, str], str]:
    """A check that refuses another value of an option."""

    def check(option: typer.CallbackParam, value: str) -> str:
        if value not in names:
            expected = f"{', '.join(names[:-1])} or {names[-1]}"
            raise UserError(f"{option.opts[0]}: found {value!r}; expected {expected}")
        return value

    return check


DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of upstream data files.", envvar="RDBENCH_DATA_DIR", show_default="the user's cache"),
]
FamilyOption = Annotated[list[str], typer.Option(help="In words (gaussian-pixelcnn-vamp) or signs (-+v).")]
BetaOption = Annotated[list[float], typer.Option(help="Weight of the rate in D + βR.")]
DatasetArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name from `rdbench data list`.")]
StoreArgument = Annotated[
    str, typer.Argument(metavar="STORE", help="Folder of a sweep's tables, such as outputs/demo, or its URL.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.", callback=one_of("auto", "cpu", "cuda"))]
JobsOption = Annotated[int, typer.Option(min=1, help="Runs at once, in processes of their own.")]
