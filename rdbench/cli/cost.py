"""Print the cost of a sweep before it begins."""

import sys
from typing import TYPE_CHECKING

import typer

from rdbench.errors import ExitCode, InterruptedSweepError, counted, plain

if TYPE_CHECKING:
    from rdbench.execute.plan import Plan
    from rdbench.execute.task import Settings
    from rdbench.store.store import Store

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")


def ask_to_begin(planned: "Plan", yes: bool) -> None:
    """Ask on a terminal whether to begin.

    Raises:
        InterruptedSweepError: the answer is no.
    """
    if yes or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if not typer.confirm(f"Begin {counted(len(planned.pending), 'run')}?"):
        smaller = "nothing was begun; a smaller sweep: --family, --beta, --epochs, --set"
        raise InterruptedSweepError(smaller, ExitCode.INTERRUPTED)


def tell_cost(planned: "Plan", store: "Store", settings: "Settings") -> None:
    """Print the cost of a plan's pending runs in a line: operations, hours on this machine, disk."""
    import pandas as pd

    from rdbench.execute.cost import total_cost
    from rdbench.runs.device import pick_device

    runs, where = planned.pending.values(), pick_device(settings.device)
    rows = store.rows_or_none() if store.storage.is_there() else pd.DataFrame()
    cost = total_cost(runs, rows, where, settings.data_dir)
    known = f"by a timing of {counted(cost.timed, 'model')}" if cost.timed else "by what such runs took"
    line = (
        f"{counted(len(runs), 'run')} to do: {scaled(cost.flop)}FLOP, about {duration(cost.seconds)} on this machine "
        f"({where.type}, {known}), {scaled(cost.disk)}B in the store"
    )
    typer.echo(plain(line))


def scaled(value: float) -> str:
    """A number with a metric prefix, to two digits or to the unit.

    >>> scaled(1.302e19), scaled(4.2e9), scaled(350.0)
    ('13 E', '4.2 G', '350 ')
    """
    power = 0
    while value >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.2g} {PREFIXES[power]}" if value < 99.5 else f"{value:.0f} {PREFIXES[power]}"


def duration(seconds: float) -> str:
    """A time in words, to about two digits.

    >>> [duration(seconds) for seconds in (40, 150, 9000, 5.4e7)]
    ['40 seconds', '2.5 minutes', '2.5 hours', '15,000 hours']
    """
    for limit, unit, name in ((100, 1, "seconds"), (6000, 60, "minutes")):
        if seconds < limit:
            return f"{_two_digits(seconds / unit)} {name}"
    return f"{_two_digits(seconds / 3600)} hours"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.15g}"
