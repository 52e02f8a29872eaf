"""The learning rate of each step."""

import math
from collections.abc import Callable, Mapping

from rdbench.config.run_config import Schedule

FALLS: Mapping[Schedule, Callable[[float, float], float]] = {
    "paper": lambda left, after: min(1.0, 2 * left),
    "constant": lambda left, after: 1.0,
    "linear": lambda left, after: 1 - after,
    "cosine": lambda left, after: (1 + math.cos(math.pi * after)) / 2,
}
"""The factor of the peak, given the fraction of training left and the fraction done since the warm-up."""


def learning_rate(peak: float, step: int, steps: int, warmup: float = 0.0, schedule: Schedule = "paper") -> float:
    """The learning rate of a step, from 0 on: it rises over the first ``warmup`` of training, then follows a curve.

    With w = ``warmup`` · ``steps`` and u = (step − w) / (steps − w), the fraction done since the warm-up, the peak is
    multiplied by the smaller of (step + 1) / w and

    - ``paper``: min(1, 2 (1 − step / steps)), constant for half of training, then linear to 0;
    - ``constant``: 1;
    - ``linear``: 1 − u;
    - ``cosine``: (1 + cos πu) / 2; "SGDR: stochastic gradient descent with warm restarts" (Loshchilov & Hutter, 2017,
      https://arxiv.org/abs/1608.03983), without restarts.

    >>> [learning_rate(1.0, step, 200) for step in (0, 99, 100, 150, 199)]
    [1.0, 1.0, 1.0, 0.5, 0.01]
    >>> [learning_rate(1.0, step, 200, warmup=0.1) for step in (0, 9, 19, 20, 150)]
    [0.05, 0.5, 1.0, 1.0, 0.5]
    >>> [round(learning_rate(1.0, step, 200, 0.1, "cosine"), 3) for step in (0, 20, 110, 155)]
    [0.05, 1.0, 0.5, 0.146]
    """
    warm = warmup * steps
    risen = min(1.0, (step + 1) / warm) if warmup else 1.0
    after = max(0.0, (step - warm) / (steps - warm))
    return peak * min(risen, FALLS[schedule]((steps - step) / steps, after))
