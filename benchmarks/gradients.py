"""Seconds of a training step of `rdbench sweep discrete`, by gradient estimator.

The estimators take turns, and a ratio is that of one round, so that other work on the machine slows all of them alike.
"""

import argparse
import contextlib
import time
from pathlib import Path

import pandas as pd
import torch
from machine import describe

from rdbench import data
from rdbench.config.run_config import RunConfig
from rdbench.config.sweep import load_sweep
from rdbench.models import make_model
from rdbench.runs.splits import Splits
from rdbench.runs.training import Training

BESIDE = "gumbel"
"""The estimator that the ratios compare with."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="in a turn")
    parser.add_argument("--repeats", type=int, default=10, help="turns of each estimator")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings")
    parser.add_argument("--out", type=Path, help="write a row per turn to this Parquet file")
    options = parser.parse_args()
    values = dict(setting.split("=", 1) for setting in options.set) | {"beta": 1.0, "seed": 0}
    runs = load_sweep("discrete").with_values(values).runs()
    trainings = {(run.encoder, str(run.settings["gradient"])): training(run) for run in runs}
    for each in trainings.values():
        seconds(each, 3)  # the first of anything is slow
    turns = [{key: seconds(each, options.steps) for key, each in trainings.items()} for _ in range(options.repeats)]
    rows = [
        {"encoder": encoder, "gradient": gradient, "repeat": repeat, "milliseconds": 1000 * taken,
         "ratio": taken / turn[encoder, BESIDE]}
        for repeat, turn in enumerate(turns)
        for (encoder, gradient), taken in turn.items()
    ]  # fmt: skip
    grouped = pd.DataFrame(rows).groupby(["encoder", "gradient"], sort=False)
    ratios = grouped["ratio"].agg(["median", "min", "max"]).round(2).add_prefix("ratio_")
    print(grouped["milliseconds"].agg(["median", "min"]).round(1).join(ratios).to_string(), describe(), sep="\n\n")
    if options.out:
        pd.DataFrame(rows).assign(**describe()).to_parquet(options.out)


class EnoughError(Exception):
    """A turn is over."""


def training(run: RunConfig) -> Training:
    """A run's training, before its first step."""
    images = Splits.of(data.load(run.dataset), run, torch.device("cpu"))
    torch.manual_seed(run.seed)
    return Training(make_model(run), images.train, images.valid, run)


def seconds(training: Training, steps: int) -> float:
    """The seconds of a step, over so many."""
    end = training.step + steps

    def check() -> None:
        if training.step == end:
            raise EnoughError

    started = time.perf_counter()
    with contextlib.suppress(EnoughError):
        training.run(after_step=check)
    return (time.perf_counter() - started) / steps


if __name__ == "__main__":
    main()
