"""The images that a run trains on and is measured on."""

from typing import NamedTuple

import numpy as np
import torch

from rdbench.config.run_config import RunConfig
from rdbench.data import Dataset
from rdbench.data.dataset import Bits
from rdbench.data.images import Images

SUBSET_SEED = 0
"""Rows stand sorted by class in places, so a subset is drawn by a shuffle that all runs share."""


class Splits(NamedTuple):
    """What to train on, then what to evaluate of the validation, test and training splits."""

    train: Images
    valid: Images
    test: Images
    train_again: Images

    @classmethod
    def of(cls, dataset: Dataset, config: RunConfig, device: torch.device) -> "Splits":
        """The images of a dataset that a run describes, on a device."""
        train = subset(dataset.train, config.train_images)
        valid, test = (subset(split, config.evaluation_images) for split in (dataset.valid, dataset.test))
        again = subset(train, len(test))  # as many as of the test split, to be comparable
        return cls(*(Images.on(device, split) for split in (train, valid, test, again)))


def subset(split: Bits, images: int | None) -> Bits:
    """The split, or ``images`` of it, the same for all runs."""
    if images is None or images >= len(split):
        return split
    return split[np.random.Generator(np.random.PCG64(SUBSET_SEED)).permutation(len(split))[:images]]
