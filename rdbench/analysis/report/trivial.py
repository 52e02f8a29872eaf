"""Compare runs with models that know nothing, and with independent pixels that have the training split's means."""

from typing import Any

import pandas as pd

from rdbench.config.aims import aim
from rdbench.data.trivial import JUDGED, why_untrained
from rdbench.errors import counted
from rdbench.store.row_checks import records
from rdbench.store.status import Status


def untrained(runs: pd.DataFrame) -> list[str]:
    """A line for each run that is worse than knowing nothing, without ``allow_untrained``, even if an old row is ok."""
    lines = []
    measured = runs[runs["status"].isin([Status.OK, Status.UNTRAINED])]
    for place, row in enumerate(records(measured, ("status", "error", *JUDGED))):
        why = row["error"] if row["status"] == Status.UNTRAINED else why_untrained(row)
        if why is not None:
            lines.append(f"untrained: {_name(measured.iloc[place].to_dict())}: {why}")
    return lines


def behind_pixels(runs: pd.DataFrame) -> list[str]:
    """A line for each run worse than independent pixels by 3 standard errors; older rows lack that number."""
    if "independent_pixels" not in runs:
        return []
    behind = runs["status"].eq(Status.OK) & (
        -runs["elbo"] > runs["independent_pixels"] + 3 * runs["elbo_se"].fillna(0.0)
    )
    return [
        f"{_name(run)}: −ELBO {-run['elbo']:.1f} ± {run['elbo_se']:.1f} nats is worse than the "
        f"{run['independent_pixels']:.1f} of independent pixels"
        for run in runs[behind].to_dict("records")
    ]


def jumped(runs: pd.DataFrame) -> list[str]:
    """A line for each run whose loss jumped above that of fair coins after it had learned something."""
    if "jumps" not in runs:
        return []
    return [
        f"{_name(run)}: the loss jumped above that of fair coins {counted(int(run['jumps']), 'time')} in training"
        for run in runs[runs["jumps"] > 0].to_dict("records")
    ]


def _name(run: dict[Any, Any]) -> str:
    return f"run {run['run_id']} ({run['family']} {aim(run)})"
