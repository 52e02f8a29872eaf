"""One comparison made of every run, and how far chance may carry it."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

FALSE_ALARMS = 0.01
"""The probability that a sound store breaks any claim by chance."""


class Judgement(NamedTuple):
    """A comparison, with an entry per run in each column.

    ``slack`` says by how many nats it holds, NaN where there is nothing to compare. ``error`` is the standard error of
    that over ``count`` examples: 0 where the comparison is exact, NaN where it should be known and is not.
    """

    what: str
    slack: pd.Series
    error: pd.Series
    examples: pd.Series


def allowed(error: NDArray[np.float64], examples: NDArray[np.float64], judgements: int) -> NDArray[np.float64]:
    """The nats by which chance may make a comparison fail: Student's t times the standard error.

    Each of the ``judgements`` has the level ``FALSE_ALARMS`` / ``judgements``, so together they keep to
    ``FALSE_ALARMS``.
    """
    allowance = np.zeros(len(error))
    uncertain = error > 0
    freedom, places = np.unique(np.maximum(examples[uncertain] - 1, 1), return_inverse=True)  # few, and slow to judge
    allowance[uncertain] = -stdtrit(freedom, FALSE_ALARMS / max(judgements, 1))[places] * error[uncertain]
    return allowance
