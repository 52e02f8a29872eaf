"""Baselines: models of binary images that need no training."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbench.config.family import dataset_kind
from rdbench.data.dataset import SIDE, Bits, unpack
from rdbench.data.toy import VALUES


def fair_coins(side: float) -> float:
    """−log p(x) of every image of side×side pixels where each pixel is a fair coin, in nats.

    >>> round(fair_coins(28), 1)
    543.4
    """
    return side**2 * math.log(2)


def worse_than(nats: float, error: float, trivial: float) -> bool:
    """Whether ``nats`` are above those of a trivial model by 3 standard errors, or are more than twice as large.

    The second clause catches a diverged model, whose error is as large as its mean. An error of NaN, of a single image,
    counts as 0.

    >>> [worse_than(nats, error, 543.4) for nats, error in ((550.0, 1.0), (550.0, 3.0), (1e22, 1e22))]
    [True, False, True]
    """
    allowed = 0.0 if math.isnan(error) else min(3 * error, trivial)
    return nats > trivial + allowed


JUDGED = ("dataset", "image_side", "labels", "classes", "allow_untrained", "elbo", "elbo_se", "distortion",
          "distortion_se")  # fmt: skip
"""The columns of a run by which ``why_untrained`` judges it."""


def why_untrained(row: Mapping[Any, Any]) -> str | None:
    """Why a measured run is worse than a model that knows nothing of its dataset; None if it is not, or may be so.

    Of images −ELBO is compared with fair coins, of a table with the logarithm of its number of values. Of labels D is
    compared with the logarithm of the number of classes.
    """
    if row.get("allow_untrained") is True:
        return None
    what, nats, error = "−ELBO", -row["elbo"], row["elbo_se"]
    name, trivial = "guessing", math.log(VALUES)
    if isinstance(row.get("labels"), str):
        what, nats, error, trivial = "D", row["distortion"], row["distortion_se"], math.log(row["classes"])
    elif dataset_kind(row["dataset"]) == "images":
        side = row.get("image_side")
        name, trivial = "fair coins", fair_coins(side if side and side > 0 else SIDE)  # older rows have none
    if not worse_than(nats, error, trivial):
        return None
    return (
        f"{what} {nats:.6g} ± {error:.2g} nats is worse than the {trivial:.4g} of {name}; lower learning_rate, raise "
        "warmup or epochs, or set allow_untrained=true where it is meant to be so"
    )


def independent_pixels(train: Bits, images: Bits) -> NDArray[np.float64]:
    """−log Π Bernoulli(xᵢ | pᵢ) of packed ``images``, with pᵢ the mean of pixel i in ``train``; (N,) nats.

    Half an image of ink and half an image of paper are added to ``train``, so that no pᵢ is 0 or 1. The mean over the
    test split of static MNIST is 205.8 nats.
    """
    ink = unpack(train).reshape(len(train), -1).sum(0, dtype=np.float64)
    p = (ink + 0.5) / (len(train) + 1)
    return -np.log1p(-p).sum() - unpack(images).reshape(len(images), -1) @ np.log(p / (1 - p))
