"""The images on which a run trains and is measured."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rdbench.config.run_config import RunConfig
from rdbench.data import Dataset
from rdbench.data.images import Images
from rdbench.data.labels import SPLITS, Labels

Rows = NDArray[Any]
SUBSET_SEED = 0
"""The seed of the shuffle that draws a subset, the same for all runs; some datasets are sorted by class."""


class Splits(NamedTuple):
    """The images to train on, and those of the validation, test and training splits to evaluate."""

    train: Images
    valid: Images
    test: Images
    train_again: Images

    @classmethod
    def of(cls, dataset: Dataset, config: RunConfig, device: torch.device) -> "Splits":
        """The splits that a run describes, on a device."""
        labels = explained_labels(dataset, config)
        train, valid, test = (_split(dataset, labels, split, config) for split in SPLITS)
        again = [subset(rows, len(test[0])) for rows in train]  # as many as test images, to be comparable
        return cls(*(Images.on(device, *rows) for rows in (train, valid, test, again)))


def explained_labels(dataset: Dataset, config: RunConfig) -> Labels | None:
    """The labels that a run's decoder explains; None if it explains images.

    Raises:
        UserError: the dataset has none, or none of that name.
    """
    return None if config.labels is None else dataset.label_set(config.labels)


def _split(dataset: Dataset, labels: Labels | None, split: str, config: RunConfig) -> list[Rows]:
    """The images of a split as the run binarises them, and their labels if the decoder explains labels."""
    rows: list[Rows] = [getattr(dataset, split), *([] if labels is None else [labels[split]])]
    count = config.train_images if split == "train" else config.evaluation_images
    return [subset(each, count) for each in rows]


def subset(split: Rows, images: int | None) -> Rows:
    """The whole split, or ``images`` images of it, the same ones for all runs."""
    if images is None or images >= len(split):
        return split
    return split[np.random.Generator(np.random.PCG64(SUBSET_SEED)).permutation(len(split))[:images]]
