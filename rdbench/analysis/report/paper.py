"""Compare runs with the numbers that the paper prints."""

import math
from typing import Any

import pandas as pd

from rdbench.analysis.frame import measured, setting
from rdbench.analysis.paper import printed_points
from rdbench.data import DATASETS
from rdbench.store.row_checks import read_config

TOLERANCE = 1.0
"""Nats by which a run under the paper's protocol may differ: the paper prints one seed, to one decimal."""

IMPLAUSIBLE = 5.0
"""An implausible gain in nats: more likely the decoder sees the pixel that it predicts."""

PROTOCOL: dict[str, Any] = {
    "epochs": 200, "width": 1.0, "latent_dim": 64, "learning_rate": 3e-4, "warmup": 0.0, "schedule": "paper",
    "average": 0.0, "anneal_from": None, "train_images": None, "evaluation_images": None,
}  # fmt: skip

ANSWER = ["run_id", "dataset", "family", "beta", "annealed", "seed", "config", "rate", "distortion", "neg_elbo",
          "elbo_se"]  # fmt: skip


def against_paper(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for every run with a printed point: both sets of numbers, their differences, and a judgement.

    ``judgement`` is of −ELBO: "agrees", "better", "worse", "implausible", or why it is not judged. A run at another
    protocol gets no verdict: its judgement says how near it came, and at which part of the paper's training compute.
    The paper's numbers are of the whole test split.
    """
    answers = measured(runs).assign(annealed=runs["anneal_epochs"] > 0, neg_elbo=-runs["elbo"])[ANSWER]
    joined = answers.merge(printed_points(), on=["dataset", "family", "beta", "annealed"], suffixes=("", "_paper"))
    for name in ("rate", "distortion", "neg_elbo"):
        joined[f"{name}_difference"] = joined[name] - joined[f"{name}_paper"]
    joined["protocol"] = [_departures(row) for row in joined.to_dict("records")]
    joined["judgement"] = [_judge(row) for row in joined.to_dict("records")]
    columns = ["run_id", "family", "beta", "annealed", "seed", "rate", "rate_paper", "rate_difference", "distortion",
               "distortion_paper", "distortion_difference", "neg_elbo", "neg_elbo_paper", "neg_elbo_difference",
               "protocol", "judgement", "note", "printed_in"]  # fmt: skip
    return joined[columns]


def _departures(row: dict[Any, Any]) -> str:
    """The settings in which a run departs from the paper's protocol."""
    settings = vars(read_config(row["config"]))
    departures = [
        f"{name} {'all' if settings[name] is None else setting(settings[name])}"
        for name, value in PROTOCOL.items()
        if settings[name] != value
    ]
    return ", ".join(departures) or "the paper's"


def _judge(row: dict[Any, Any]) -> str:
    if "do not gate" in row["note"]:
        return "not judged: the sources differ on β"
    if row["protocol"] != "the paper's":
        distance = math.ceil(10 * abs(row["neg_elbo_difference"])) / 10
        return f"within {distance:.1f} nats of print at {_compute(row):.2g} of its training compute"
    if not math.isfinite(row["elbo_se"]):
        return "not judged: no standard error"
    allowed = TOLERANCE + 3 * row["elbo_se"]
    difference = row["neg_elbo_difference"]
    if difference > allowed:
        return "worse"
    if difference < -allowed - IMPLAUSIBLE:
        return "implausible"
    found = "better" if difference < -allowed else "agrees"
    return found if abs(row["rate_difference"]) <= IMPLAUSIBLE else f"{found}, at another rate"


def _compute(row: dict[Any, Any]) -> float:
    """A run's training compute as a fraction of the paper's: images seen × width², over those of its protocol.

    Width multiplies the channels in and out of a layer, so the operations for each image grow as its square.
    """
    settings = vars(read_config(row["config"]))
    every = DATASETS[row["dataset"]].sizes[0]
    seen = settings["epochs"] * min(every, settings["train_images"] or every)
    return seen * settings["width"] ** 2 / (PROTOCOL["epochs"] * every)
