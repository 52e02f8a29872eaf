"""The rate-distortion frontier of a set of runs."""

import numpy as np
from numpy.typing import NDArray


def frontier(rate: NDArray[np.float64], distortion: NDArray[np.float64]) -> NDArray[np.intp]:
    """The indices of runs that no other beats in both rate and distortion, by ascending rate.

    >>> frontier(np.array([0.0, 5.0, 6.0]), np.array([80.0, 70.0, 75.0]))
    array([0, 1])
    """
    order = np.lexsort((distortion, rate))
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], distortion[order]]))[:-1]
    return order[distortion[order] < best_before]
