"""How fast a model trains and is evaluated on this machine, by a few images."""

import time

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

    The first of each is not counted, for it is slow. The model is a new one, of the size that ``config`` describes.
    """
    short = config.model_copy(update={"epochs": 2, "batch_size": TIMED_BATCH, "anneal_epochs": 0, "anneal_from": None})
    classes = counted_classes(config)
    labels = torch.zeros(TIMED_BATCH, dtype=torch.int64, device=device) if classes else None
    images = Images(torch.randint(256, (TIMED_BATCH, image_side**2 // 8), dtype=torch.uint8, device=device), labels)
    training = Training(make_model(config, image_side, classes).to(device), images, images, short)
    training.run()
    started = time.perf_counter()
    measure(training.model, images)
    return training.history[-1].seconds, time.perf_counter() - started
