"""The toy: a known discrete distribution of 30 values with a hidden class.

Section 4 and Appendix E of "Fixing a Broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464).
"""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, rel_entr, xlogy

VALUES = 30
CLASS_PROBABILITIES = (0.3, 0.7)
DEVIATION = 0.2
CLASS_INFORMATION = 0.5
"""I(x; z*) in nats, which fixes the distance between the two classes."""

Table = NDArray[np.float64]


def positions() -> Table:
    """The (30,) scalar positions of the values, equally spaced in [−1, 1]."""
    return np.linspace(-1, 1, VALUES)


@cache
def joint() -> Table:
    """p*(z*, x), (2, 30): a class z* ~ Bernoulli(0.7), and h ~ N(±μ, σ) in one of 30 equal bins of [−1, 1].

    The outermost bins also take what lies beyond ±1.
    """
    return _joint(separation())


@cache
def separation() -> float:
    """The μ at which I(x; z*) is 0.5 nats."""
    from scipy.optimize import brentq  # here, since it loads slowly and is seldom needed

    return float(brentq(lambda mean: information(_joint(mean)) - CLASS_INFORMATION, 0.0, 1.0, xtol=1e-15))


def density() -> Table:
    """p*(x), (30,)."""
    return joint().sum(0)


def entropy() -> float:
    """H of x, in nats, exact."""
    return float(-xlogy(density(), density()).sum())


def class_entropy() -> float:
    """H(z*), in nats, exact."""
    return float(-xlogy(CLASS_PROBABILITIES, CLASS_PROBABILITIES).sum())


def information(table: Table) -> float:
    """The mutual information, in nats, of the two variables of a joint distribution given as a table."""
    return float(rel_entr(table, np.outer(table.sum(1), table.sum(0))).sum())


@cache
def sha256() -> str:
    """The checksum of p*(z*, x) rounded to 12 decimals, on which machines agree."""
    return hashlib.sha256(np.round(joint(), 12).tobytes()).hexdigest()


def _joint(mean: float) -> Table:
    edges = np.concatenate([[-np.inf], np.linspace(-1, 1, VALUES + 1)[1:-1], [np.inf]])
    classes = [
        probability * np.diff(ndtr((edges - center) / DEVIATION))
        for probability, center in zip(CLASS_PROBABILITIES, (-mean, mean), strict=True)
    ]
    return np.array(classes)
