"""Compare runs with untrained models: fair coins, and independent pixels with the means of the training split."""

import math
from typing import Any

import pandas as pd

from rdbench.config.aims import aim
from rdbench.config.family import dataset_kind
from rdbench.data.dataset import SIDE
from rdbench.data.trivial import fair_coins, worse_than_coins
from rdbench.store.status import Status


def untrained(runs: pd.DataFrame) -> list[str]:
    """A line for each run that is worse than fair coins without ``allow_untrained``, even if an old row says ``ok``."""
    lines = []
    for run in _perhaps_untrained(runs).to_dict("records"):
        if run["status"] == Status.UNTRAINED:
            lines.append(f"untrained: {_name(run)}: {run['error']}")
        elif run["status"] == Status.OK and dataset_kind(run["dataset"]) == "images":
            side = int(run["image_side"]) if run.get("image_side", math.nan) > 0 else SIDE  # older rows have none
            neg_elbo, error = -run["elbo"], run["elbo_se"]
            if run.get("allow_untrained") is not True and worse_than_coins(neg_elbo, error, side):
                lines.append(
                    f"untrained: {_name(run)}: −ELBO {neg_elbo:.6g} ± {error:.2g} nats is worse than the "
                    f"{fair_coins(side):.1f} of fair coins"
                )
    return lines


def _perhaps_untrained(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with status ``untrained``, and all whose −ELBO is above that of fair coins."""
    side = runs["image_side"] if "image_side" in runs else pd.Series(SIDE, runs.index)
    coins = side.where(side > 0, SIDE) ** 2 * fair_coins(1)
    return runs[(runs["status"] == Status.UNTRAINED) | (-runs["elbo"] > coins)]


def behind_pixels(runs: pd.DataFrame) -> list[str]:
    """A line for each run worse than independent pixels by 3 standard errors; older rows lack that number."""
    if "independent_pixels" not in runs:
        return []
    behind = runs["status"].eq(Status.OK) & (-runs["elbo"] > runs["independent_pixels"] + 3 * runs["elbo_se"])
    return [
        f"{_name(run)}: −ELBO {-run['elbo']:.1f} ± {run['elbo_se']:.1f} nats is worse than the "
        f"{run['independent_pixels']:.1f} of independent pixels"
        for run in runs[behind].to_dict("records")
    ]


def _name(run: dict[Any, Any]) -> str:
    return f"run {run['run_id']} ({run['family']} {aim(run)})"
