"""The cost of a sweep before it begins: operations, time and disk."""

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pandas as pd
import torch

from rdbench import data
from rdbench.config.run_config import RunConfig
from rdbench.data.dataset import SIDE
from rdbench.execute.estimate import Load
from rdbench.measures.bounds import IMAGES_AT_ONCE
from rdbench.models import count_parameters, make_model
from rdbench.models.flop import Flop, count_flop, counted_classes
from rdbench.runs.timing import time_model
from rdbench.store.row_checks import read_config
from rdbench.store.schema import known
from rdbench.store.status import Status

OF_TRAINING = ("dataset", "binarise", "binarise_seed", "objective", "anneal_epochs", "anneal_from", "target_rate",
               "free_nats", "train_samples", "epochs", "batch_size", "learning_rate", "warmup", "schedule", "average",
               "marginal_epochs", "seed", "iwae", "rate_samples", "train_images", "evaluation_images",
               "generated_images", "train_information", "allow_untrained")  # fmt: skip
"""The keys of a run that change neither the size nor the speed of its model."""

TIMING_SECONDS = 10.0

TOY_SECONDS_AN_EPOCH = 0.036
"""The seconds of one epoch of a toy run: 30 runs of 60 epochs took 65 seconds on two cores."""

BYTES_A_NUMBER = 4
BYTES_OF_A_ROW = 30_000

LARGE = 1e5
"""Sweeps above this many image passes are large: on two cores a model of full width takes up to an hour for them."""


class Work(NamedTuple):
    """The FLOP of a run: training (with validation), and evaluation."""

    training: float
    evaluation: float


class Speed(NamedTuple):
    """The seconds for each FLOP of training, and of evaluation."""

    training: float
    evaluation: float


class Cost(NamedTuple):
    """The cost of runs: FLOP, seconds on this machine if one run follows the other, and bytes in the store.

    ``timed`` is the number of models that were timed to find it.
    """

    flop: float
    seconds: float
    disk: float
    timed: int


def model_of(run: RunConfig) -> RunConfig:
    """The run with defaults for all keys that do not change its model, so that runs of the same model are equal."""
    defaults = {name: RunConfig.model_fields[name].default for name in OF_TRAINING}
    return run.model_copy(update=defaults | {"beta": 1.0})


@cache
def _flop(model: RunConfig, side: int) -> Flop:
    return count_flop(model, side)


@cache
def _parameters(model: RunConfig, side: int) -> int:
    with torch.device("meta"):
        return count_parameters(make_model(model, side, counted_classes(model)))


def work(run: RunConfig, sizes: tuple[int, int, int], side: int) -> Work:
    """The FLOP of a run, given the numbers of images in train, valid and test, and their side.

    It counts matrix products and convolutions only, and leaves out small parts: further draws for the rate, and mutual
    information.
    """
    train, valid, test = images_of(run, sizes)
    flop, batch = _flop(model_of(run), side), min(run.batch_size, train)

    def measured(images: int, draws: int) -> float:
        return images / IMAGES_AT_ONCE * flop.forward(IMAGES_AT_ONCE, draws)

    training = (run.epochs + run.marginal_epochs) * (
        train // batch * flop.step(batch, run.train_samples or 1) + measured(valid, 1)
    )
    draws = max(run.iwae, default=1)
    evaluated = measured(test, draws) + measured(test, 1) + (measured(run.generated_images, draws) if run.iwae else 0.0)
    return Work(training, evaluated)


def images_of(run: RunConfig, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
    """The numbers of images that a run trains on, validates on and is tested on."""
    wanted = (run.train_images, run.evaluation_images, run.evaluation_images)
    train, valid, test = (size if most is None else min(size, most) for size, most in zip(sizes, wanted, strict=True))
    return train, valid, test


def is_large(runs: Iterable[RunConfig], data_dir: Path | None) -> bool:
    """Whether runs may take long, by a rough count of image passes through a model of full width."""
    passes = 0.0
    for run in runs:
        if not run.exact:
            (train, _, _) = images_of(run, data.shape(run.dataset, data_dir, run.binarisation)[0])
            passes += run.epochs * train * run.width**2
    return passes > LARGE


def loads(runs: Mapping[str, RunConfig], data_dir: Path | None) -> dict[str, Load]:
    """The work of each run in FLOP, or in epochs if its terms are exact sums."""
    found = {}
    for run_id, run in runs.items():
        own = Work(run.epochs, 0.0) if run.exact else work(run, *data.shape(run.dataset, data_dir, run.binarisation))
        found[run_id] = Load(run.family.words, *own)
    return found


def total_cost(runs: Iterable[RunConfig], rows: pd.DataFrame, device: torch.device, data_dir: Path | None) -> Cost:
    """The cost of runs, at the speed of finished runs of the same models in ``rows``, else by a short timing.

    If the timing takes too long, the remaining models are assumed to be as fast as those that were timed.

    Raises:
        UserError: a dataset is in a file that cannot be read.
    """
    known_speeds, timed = dict(_speeds(rows, device)), _Timed(device)
    flop = seconds = disk = 0.0
    for run in runs:
        sizes, side = data.shape(run.dataset, data_dir, run.binarisation)
        disk += BYTES_OF_A_ROW
        if run.exact:
            seconds += run.epochs * TOY_SECONDS_AN_EPOCH
            continue
        model, own = model_of(run), work(run, sizes, side)
        speed = known_speeds.get(model) or timed.speed(model, side, min(run.batch_size, images_of(run, sizes)[0]))
        flop += sum(own)
        seconds += own.training * speed.training + own.evaluation * speed.evaluation
        numbers = _parameters(model, side) + images_of(run, sizes)[2] * (2 + len(run.iwae))
        disk += BYTES_A_NUMBER * numbers
    return Cost(flop, seconds, disk, len(timed.speeds))


class _Timed:
    """The speeds of models, each timed once at each batch size."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.speeds: dict[tuple[RunConfig, int, int], Speed] = {}
        self.ends = time.monotonic() + TIMING_SECONDS

    def speed(self, model: RunConfig, side: int, batch: int) -> Speed:
        """The speed of a model; once timing has taken too long, the mean of those that were timed."""
        key = (model, side, batch)
        if key in self.speeds:
            return self.speeds[key]
        if self.speeds and time.monotonic() > self.ends:
            return Speed(*(mean(every) for every in zip(*self.speeds.values(), strict=True)))
        timing = time_model(model.model_copy(update={"batch_size": batch}), side, self.device)
        flop = _flop(model, side)
        speed = Speed(timing.training / flop.step(timing.images, 1), timing.evaluation / flop.forward(timing.images, 1))
        self.speeds[key] = speed
        return speed


def _speeds(rows: pd.DataFrame, device: torch.device) -> Iterator[tuple[RunConfig, Speed]]:
    """The speed of each model that has a finished run on this kind of device in ``rows``."""
    if rows.empty:
        return
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    mine = rows[(rows["status"] == Status.OK) & (rows["device"] == name)]
    taken: dict[RunConfig, list[tuple[Work, float, float]]] = {}
    for row in mine.to_dict("records"):
        run = read_config(row["config"])
        if not run.exact:
            counts = (int(row["train_images"]), int(row["valid_images"]), int(row["test_images"]))
            side = int(row["image_side"]) if known(row.get("image_side")) else SIDE
            taken.setdefault(model_of(run), []).append(
                (work(run, counts, side), float(row["train_seconds"]), float(row["eval_seconds"]))
            )
    for model, runs in taken.items():
        works, training, evaluation = zip(*runs, strict=True)
        trained = sum(own.training for own in works)
        if trained:  # none of runs of no epochs
            yield model, Speed(sum(training) / trained, sum(evaluation) / sum(own.evaluation for own in works))
