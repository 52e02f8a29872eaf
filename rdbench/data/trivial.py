"""Baselines: models of binary images that need no training."""

import math

import numpy as np
from numpy.typing import NDArray

from rdbench.data.dataset import Bits, unpack


def fair_coins(side: int) -> float:
    """−log p(x) of every image of side×side pixels where each pixel is a fair coin, in nats.

    >>> round(fair_coins(28), 1)
    543.4
    """
    return side**2 * math.log(2)


def worse_than_coins(neg_elbo: float, error: float, side: int) -> bool:
    """Whether −ELBO is above that of fair coins by 3 standard errors, or is more than twice as large.

    The second clause catches a diverged model, whose error is as large as its mean. An error of NaN, of a single image,
    counts as 0.

    >>> worse_than_coins(550.0, 1.0, 28), worse_than_coins(550.0, 3.0, 28), worse_than_coins(1e22, 1e22, 28)
    (True, False, True)
    """
    coins = fair_coins(side)
    allowed = 0.0 if math.isnan(error) else min(3 * error, coins)
    return neg_elbo > coins + allowed


def independent_pixels(train: Bits, images: Bits) -> NDArray[np.float64]:
    """−log Π Bernoulli(xᵢ | pᵢ) of packed ``images``, with pᵢ the mean of pixel i in ``train``; (N,) nats.

    Half an image of ink and half an image of paper are added to ``train``, so that no pᵢ is 0 or 1. The mean over the
    test split of static MNIST is 205.8 nats.
    """
    ink = unpack(train).reshape(len(train), -1).sum(0, dtype=np.float64)
    p = (ink + 0.5) / (len(train) + 1)
    return -np.log1p(-p).sum() - unpack(images).reshape(len(images), -1) @ np.log(p / (1 - p))
