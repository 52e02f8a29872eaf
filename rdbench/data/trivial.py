"""Models of binary images that need no training, for a trained one to be better than."""

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
    """Whether −ELBO is above that of fair coins by 3 standard errors, or is twice as large whatever its error.

    A model in ruins has an error as large as its mean. A single image has none (NaN), and counts as it is.

    >>> worse_than_coins(550.0, 1.0, 28), worse_than_coins(550.0, 3.0, 28), worse_than_coins(1e22, 1e22, 28)
    (True, False, True)
    """
    coins = fair_coins(side)
    allowed = 0.0 if math.isnan(error) else min(3 * error, coins)
    return neg_elbo > coins + allowed


def independent_pixels(train: Bits, images: Bits) -> NDArray[np.float64]:
    """−log Π Bernoulli(xᵢ | pᵢ) of packed ``images``, with pᵢ the mean of pixel i in ``train``; (N,) nats.

    Half an image of ink and half an image of paper count beside ``train``, so that no pᵢ is 0 or 1. Of static MNIST's
    test split the mean is 205.8 nats.
    """
    ink = unpack(train).reshape(len(train), -1).sum(0, dtype=np.float64)
    p = (ink + 0.5) / (len(train) + 1)
    return -np.log1p(-p).sum() - unpack(images).reshape(len(images), -1) @ np.log(p / (1 - p))
