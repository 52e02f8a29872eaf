"""The speed of training and evaluating a model on this machine, timed on a few images."""

import time
from collections.abc import Callable

import torch

from rdbench.config.run_config import RunConfig
from rdbench.data.images import Images
from rdbench.measures.bounds import measure
from rdbench.models import make_model
from rdbench.models.flop import counted_classes
from rdbench.runs.training import Training

TIMED_BATCH = 16


def time_model(config: RunConfig, image_side: int, device: torch.device) -> tuple[float, float]:
    """The seconds of a step of training on 16 images, and of measuring 16 images by one draw of z.

    The first step and the first measurement are slow and do not count. The model is a new one, as ``config`` describes.
    """
    training = _invented(config, image_side, device, TIMED_BATCH)
    training.run()
    started = time.perf_counter()
    measure(training.model, training.train_images)
    return training.history[-1].seconds, time.perf_counter() - started


def images_per_second(config: RunConfig, image_side: int, seconds: float, begin: Callable[[], object]) -> float:
    """How fast a model trains on this CPU at its own batch, by the steps of so many seconds after ``begin`` returns.

    A step, which is not counted, is done before.
    """
    training = _invented(config, image_side, torch.device("cpu"), config.batch_size)
    training.body()
    begin()
    started, steps = time.perf_counter(), 0
    while (gone := time.perf_counter() - started) < seconds:
        training.body()
        steps += 1
    return steps * training.batch / gone


def _invented(config: RunConfig, image_side: int, device: torch.device, batch: int) -> Training:
    """Two epochs of one step, on images that are noise."""
    short = config.model_copy(update={"epochs": 2, "batch_size": batch, "anneal_epochs": 0, "anneal_from": None})
    classes = counted_classes(config)
    labels = torch.zeros(batch, dtype=torch.int64, device=device) if classes else None
    images = Images(torch.randint(256, (batch, image_side**2 // 8), dtype=torch.uint8, device=device), labels)
    return Training(make_model(config, image_side, classes).to(device), images, images, short)
