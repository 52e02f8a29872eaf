"""One comparison made for every run, and the deviation that chance allows."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

FALSE_ALARMS = 0.01
"""The probability that a sound store breaks any claim by chance."""


class Judgement(NamedTuple):
    """A comparison, with an entry for each run in each column.

    ``slack`` is the number of nats by which it holds, NaN if there is nothing to compare. ``error`` is the standard
    error of the slack over ``count`` examples: 0 if the comparison is exact, NaN if the error is missing.
    """

    what: str
    slack: pd.Series
    error: pd.Series
    examples: pd.Series


def allowed(error: NDArray[np.float64], examples: NDArray[np.float64], judgements: int) -> NDArray[np.float64]:
    """The nats by which a comparison may fail by chance: Student's t times the standard error.

    Each of the ``judgements`` has the level ``FALSE_ALARMS`` / ``judgements``, so that all together have the level
    ``FALSE_ALARMS`` (Bonferroni).
    """
    allowance = np.zeros(len(error))
    uncertain = error > 0
    freedom, places = np.unique(np.maximum(examples[uncertain] - 1, 1), return_inverse=True)  # few, and slow to judge
    allowance[uncertain] = -stdtrit(freedom, FALSE_ALARMS / max(judgements, 1))[places] * error[uncertain]
    return allowance
