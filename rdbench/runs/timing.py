"""The speed of training and evaluating a model on this machine, timed on a few images."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from rdbench.config.run_config import RunConfig
from rdbench.data.images import Images
from rdbench.measures.bounds import measure
from rdbench.models import make_model
from rdbench.models.flop import counted_classes
from rdbench.runs.training import Training

FEW_IMAGES = 16
"""A model is timed on so many images first, for a step of a large one takes long."""

LONGEST_STEP_SECONDS = 0.5
"""If a step at the batch of a run takes less than this, it is timed at that batch."""


class Timing(NamedTuple):
    """The seconds of a step of training on ``images`` images, and of measuring as many by one draw of z."""

    images: int
    training: float
    evaluation: float


def time_model(config: RunConfig, image_side: int, device: torch.device) -> Timing:
    """Time a new model, as ``config`` describes, at the run's own batch, or on 16 images if that takes long.

    What a step takes besides its operations hardly depends on the batch. In a small model it is most of the time, so
    the batch must be the run's own; in a large one it is little. On a CPU the model has one thread, or all if it is
    faster with them: threads of a small model wait for one another, on a busy machine for most of the time.
    """
    everything = torch.get_num_threads()
    few = min(FEW_IMAGES, config.batch_size)
    timings = {}
    try:
        for threads in {1, everything} if device.type == "cpu" else {everything}:
            torch.set_num_threads(threads)
            timings[threads] = _timed(config, image_side, device, few, epochs=2)
        fastest = min(timings, key=lambda threads: timings[threads].training)
        torch.set_num_threads(fastest)
        if timings[fastest].training * config.batch_size / few < LONGEST_STEP_SECONDS:
            return _timed(config, image_side, device, config.batch_size, epochs=4)
        return timings[fastest]
    finally:
        torch.set_num_threads(everything)


def _timed(config: RunConfig, image_side: int, device: torch.device, batch: int, epochs: int) -> Timing:
    """The shortest time of each; the first step and the first measurement, which are slow, do not count."""
    training = _invented(config, image_side, device, batch, epochs)
    training.run()
    started = time.perf_counter()
    measure(training.model, training.train_images)
    return Timing(batch, min(epoch.seconds for epoch in training.history[1:]), time.perf_counter() - started)


def images_per_second(config: RunConfig, image_side: int, seconds: float, begin: Callable[[], object]) -> float:
    """How fast a model trains on this CPU at its own batch, by the steps of so many seconds after ``begin`` returns.

    A step, which is not counted, is done before.
    """
    training = _invented(config, image_side, torch.device("cpu"), config.batch_size, epochs=2)
    training.body()
    begin()
    started, steps = time.perf_counter(), 0
    while (gone := time.perf_counter() - started) < seconds:
        training.body()
        steps += 1
    return steps * training.batch / gone


def _invented(config: RunConfig, image_side: int, device: torch.device, batch: int, epochs: int) -> Training:
    """Epochs of one step, on images that are noise."""
    short = config.model_copy(update={"epochs": epochs, "batch_size": batch, "anneal_epochs": 0, "anneal_from": None})
    classes = counted_classes(config)
    labels = torch.zeros(batch, dtype=torch.int64, device=device) if classes else None
    images = Images(torch.randint(256, (batch, image_side**2 // 8), dtype=torch.uint8, device=device), labels)
    return Training(make_model(config, image_side, classes).to(device), images, images, short)
