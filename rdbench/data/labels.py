"""Labels: the class of each image of a dataset."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from rdbench.errors import one_of

SPLITS = ("train", "valid", "test")

Indices = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Labels:
    """The class of each image: (N,) indices into ``classes`` for each split, in the order of its images.

    ``entropy`` is H(Y) in nats: exact if the distribution of classes is known, else by their frequencies in the test
    split.
    """

    train: Indices
    valid: Indices
    test: Indices
    classes: tuple[str, ...] = field(kw_only=True)
    entropy: float = field(kw_only=True)

    def __getitem__(self, split: str) -> Indices:
        """The labels of ``train``, ``valid`` or ``test``.

        Raises:
            UserError: there is no such split.
        """
        labels: Indices = getattr(self, one_of("split", split, SPLITS))
        return labels

    @cached_property
    def sha256(self) -> str:
        """The checksum of the names of the classes, and of all labels as 64-bit integers: train, valid, then test."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for split in SPLITS:
            digest.update(self[split].astype("<i8").tobytes())
        return digest.hexdigest()


def empirical_labels(train: Indices, valid: Indices, test: Indices, *, classes: Sequence[str]) -> Labels:
    """Labels with H(Y) by the frequencies in the test split.

    >>> three = np.array([0, 1, 1])
    >>> round(empirical_labels(three, three, np.array([0, 1]), classes=["no", "yes"]).entropy, 4)
    0.6931
    """
    entropy = float(entr(np.bincount(test) / len(test)).sum())
    return Labels(train, valid, test, classes=tuple(classes), entropy=entropy)
