"""Counts of a model's floating-point operations."""

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from rdbench.config.run_config import RunConfig
from rdbench.models import make_model

CLASSES = 10


def counted_classes(config: RunConfig) -> int:
    """The classes that an estimate assumes: 10 if the decoder explains labels, since no data file is opened; else 0."""
    return 0 if config.labels is None else CLASSES


class Flop(NamedTuple):
    """Floating-point operations of a model's products and convolutions, as torch counts them.

    ``batch`` are done once for a batch, ``image`` once for each image, ``draw`` once for each draw of z of an image.
    """

    batch: float
    image: float
    draw: float

    def forward(self, images: float, draws: int) -> float:
        """The operations of a forward pass."""
        return self.batch + images * (self.image + draws * self.draw)

    def step(self, images: float, draws: int) -> float:
        """The operations of a step of training; the gradient takes twice those of the forward pass."""
        return 3 * self.forward(images, draws)


def count_flop(config: RunConfig, image_side: int) -> Flop:
    """Count the operations of the model that a run describes, by three passes: they are linear in images and draws.

    The passes compute shapes only, unless an operation of the model needs numbers.
    """
    try:
        one, two_images, two_draws = _counts(config, image_side, "meta")
    except (NotImplementedError, RuntimeError):  # torch raises these where an operation needs numbers
        one, two_images, two_draws = _counts(config, image_side, "cpu")
    return Flop(2 * one - two_images, two_images - two_draws, two_draws - one)


def _counts(config: RunConfig, image_side: int, device: str) -> tuple[float, float, float]:
    """The operations of passes over one image with one draw, two images with one draw, one image with two draws."""
    with torch.random.fork_rng([]), torch.device(device), torch.no_grad():
        classes = counted_classes(config)
        model = make_model(config, image_side, classes)
        counts = []
        for images, draws in ((1, 1), (2, 1), (1, 2)):
            with FlopCounterMode(display=False) as counter:
                labels = torch.zeros(images, dtype=torch.int64) if classes else None
                model(torch.zeros(images, image_side, image_side), draws, labels)
            counts.append(float(counter.get_total_flops()))
    one, two_images, two_draws = counts
    return one, two_images, two_draws
