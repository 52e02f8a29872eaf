"""Compare runs with models that know nothing, and with independent pixels that have the training split's means."""

import math
from typing import Any

import numpy as np
import pandas as pd

from rdbench.config.aims import aim
from rdbench.config.family import dataset_kind
from rdbench.data.dataset import SIDE
from rdbench.data.toy import VALUES
from rdbench.data.trivial import fair_coins, why_untrained
from rdbench.errors import counted
from rdbench.store.status import Status


def untrained(runs: pd.DataFrame) -> list[str]:
    """A line for each run that is worse than knowing nothing, without ``allow_untrained``, even if an old row is ok."""
    lines = []
    for run in _perhaps_untrained(runs).to_dict("records"):
        why = run["error"] if run["status"] == Status.UNTRAINED else why_untrained(run)
        if why is not None:
            lines.append(f"untrained: {_name(run)}: {why}")
    return lines


def _perhaps_untrained(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with status ``untrained``, and those with status ``ok`` whose nats are above a trivial model's."""
    side = runs["image_side"] if "image_side" in runs else pd.Series(SIDE, runs.index)
    nats, trivial = -runs["elbo"], side.where(side > 0, SIDE) ** 2 * fair_coins(1)
    trivial = trivial.where(runs["dataset"].map(dataset_kind) == "images", math.log(VALUES))
    if "classes" in runs:
        of_images = runs["labels"].isna()
        nats = nats.where(of_images, runs["distortion"])
        trivial = trivial.where(of_images, np.log(runs["classes"].astype(float)))
    return runs[(runs["status"] == Status.UNTRAINED) | (runs["status"].eq(Status.OK) & (nats > trivial))]


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
