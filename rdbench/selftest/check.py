"""What a self-test finds."""

import math
from dataclasses import dataclass

ERRORS = 4.0
"""Standard errors that an estimate may be off: some dozens of checks are made, and a right one should not fail."""


@dataclass(frozen=True)
class Check:
    """An estimate beside the truth, in nats unless the name says otherwise.

    ``error`` is the estimate's standard error and ``tolerance`` what it may be off besides: the bias of a finite k,
    the coarseness of a grid, the rounding of float32. ``mend`` says what to do where it fails. What is
    not ``judged`` is told only, such as the bias that an estimator is known to have.
    """

    name: str
    truth: float
    estimate: float
    error: float = 0.0
    tolerance: float = 0.0
    mend: str = ""
    judged: bool = True

    @property
    def verdict(self) -> str:
        """``passed``, ``FAILED``, or ``measured`` where nothing is judged."""
        if not self.passed:
            return "FAILED"
        return "passed" if self.judged else "measured"

    @property
    def passed(self) -> bool:
        """Whether the estimate is the truth, as far as it can know; NaN is not. What is not judged must be a number."""
        if not self.judged:
            return math.isfinite(self.estimate)
        return abs(self.estimate - self.truth) <= ERRORS * self.error + self.tolerance
