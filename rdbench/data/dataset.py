"""A dataset: three splits of packed bits, and what is known of the distribution they came from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 28
SPLITS = ("train", "valid", "test")

Bits = NDArray[np.uint8]


def pack(images: NDArray[Any]) -> Bits:
    """Images (N, ...) of zeros and ones as (N, 98) bytes, row-major, most significant bit first."""
    return np.packbits(images.reshape(len(images), -1).astype(bool), axis=1)


def unpack(packed: Bits) -> Bits:
    """The (N, 28, 28) images of zeros and ones behind ``pack``."""
    return np.unpackbits(packed, axis=1, count=SIDE * SIDE).reshape(-1, SIDE, SIDE)


@dataclass(frozen=True)
class Dataset:
    """Static binary images of 28×28 pixels.

    ``train``, ``valid`` and ``test`` are (N, 98) packed bits. Where the distribution is known, ``entropy`` is H in nats
    per example and ``log_prob`` maps (N, 98) packed bits to (N,) log p*(x) in nats.
    """

    name: str
    train: Bits
    valid: Bits
    test: Bits
    entropy: float | None = field(default=None, kw_only=True)
    log_prob: Callable[[Bits], NDArray[np.float64]] | None = field(default=None, kw_only=True)

    @cached_property
    def sha256(self) -> str:
        """The checksum of all bits: train, then valid, then test."""
        digest = hashlib.sha256()
        for split in SPLITS:
            digest.update(getattr(self, split).tobytes())
        return digest.hexdigest()

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The number of images in train, valid and test."""
        return len(self.train), len(self.valid), len(self.test)


def binarize(grey: NDArray[np.floating], seed: int) -> NDArray[np.bool_]:
    """Grey levels in [0, 1] as bits, each drawn once with its level as the probability of a one."""
    return np.random.Generator(np.random.PCG64(seed)).random(grey.shape) < grey
