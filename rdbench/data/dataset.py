"""A dataset: three splits of packed bits, with its labels, entropy and log-density where they are known."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbench.config.run_config import FIRST_LABELS
from rdbench.data.labels import SPLITS, Labels
from rdbench.errors import UserError, one_of

SIDE = 28
"""The side of the images of every named dataset, and of the paper's."""

Bits = NDArray[np.uint8]


def pack(images: NDArray[Any]) -> Bits:
    """(N, side, side) or (N, side²) zeros and ones as (N, side²/8) bytes, row-major, most significant bit first."""
    return np.packbits(images.reshape(len(images), -1).astype(bool), axis=1)


def unpack(packed: Bits) -> Bits:
    """Undo ``pack``: (N, side²/8) bytes as (N, side, side) zeros and ones."""
    side = side_of_packed(packed.shape)
    return np.unpackbits(packed, axis=1).reshape(-1, side, side)


def side_of_packed(shape: Sequence[int]) -> int:
    """The side of images whose packed bits have that shape, (N, side²/8); a side is a multiple of 4.

    >>> side_of_packed((10, 98))
    28
    """
    return isqrt(8 * shape[1])


@dataclass(frozen=True)
class Dataset:
    """Static binary images of side×side pixels.

    ``train``, ``valid`` and ``test`` are (N, side²/8) packed bits. Where the distribution is known, ``entropy`` is H in
    nats per example and ``log_prob`` maps packed bits to (N,) log p*(x) in nats. ``label_sets`` are its labels by name;
    ``labels`` is the first. ``sha256`` does not cover them: each set has its own checksum.
    """

    name: str
    train: Bits
    valid: Bits
    test: Bits
    entropy: float | None = field(default=None, kw_only=True)
    log_prob: Callable[[Bits], NDArray[np.float64]] | None = field(default=None, kw_only=True)
    label_sets: Mapping[str, Labels] = field(default_factory=dict, kw_only=True)

    @cached_property
    def sha256(self) -> str:
        """The checksum of all bits: train, then valid, then test, after the side if it is not 28."""
        digest = hashlib.sha256() if self.side == SIDE else hashlib.sha256(f"side {self.side}\n".encode())
        for split in SPLITS:
            digest.update(getattr(self, split).tobytes())
        return digest.hexdigest()

    @property
    def side(self) -> int:
        """The side of an image in pixels."""
        return side_of_packed(self.train.shape)

    @property
    def labels(self) -> Labels | None:
        """The dataset's first label set; None if it has none.

        >>> from rdbench.data import load
        >>> shapes = load("sprites").labels
        >>> shapes.classes, shapes["test"].shape, round(shapes.entropy, 4)
        (('square', 'frame', 'plus', 'saltire'), (2000,), 1.3863)
        """
        return next(iter(self.label_sets.values()), None)

    def label_set(self, name: str) -> Labels:
        """The label set of that name; the first for ``FIRST_LABELS``.

        Raises:
            UserError: the dataset has no labels, or none of that name.
        """
        if self.labels is None:
            raise UserError(f"dataset {self.name} has no labels; choose one that has, or add train_labels and so on")
        return self.labels if name == FIRST_LABELS else self.label_sets[one_of("labels", name, list(self.label_sets))]

    def images(self, split: str) -> Bits:
        """The (N, side, side) zeros and ones of ``train``, ``valid`` or ``test``.

        >>> from rdbench.data import load
        >>> load("sprites").images("test").shape
        (2000, 28, 28)

        Raises:
            UserError: there is no such split.
        """
        return unpack(getattr(self, one_of("split", split, SPLITS)))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The number of images in train, valid and test."""
        return len(self.train), len(self.valid), len(self.test)


def binarize(grey: NDArray[np.floating], seed: int) -> NDArray[np.bool_]:
    """Grey levels in [0, 1] as bits, each drawn once with its level as the probability of a one."""
    return np.random.Generator(np.random.PCG64(seed)).random(grey.shape) < grey
