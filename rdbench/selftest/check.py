"""One check of a self-test."""

import math
from dataclasses import dataclass

ERRORS = 4.0
"""Standard errors that an estimate may be off; 4, so that none of some dozens of checks fails by chance."""


@dataclass(frozen=True)
class Check:
    """An estimate beside the truth, in nats unless the name says otherwise.

    ``error`` is the estimate's standard error. ``tolerance`` allows for more: the bias of a finite k, the coarseness of
    a grid, the rounding of float32. ``mend`` says what to do if the check fails. A check that is not ``judged`` is only
    printed, such as the known bias of an estimator.
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
        """``passed`` or ``FAILED``; ``measured`` if the check is not judged."""
        if not self.passed:
            return "FAILED"
        return "passed" if self.judged else "measured"

    @property
    def passed(self) -> bool:
        """Whether the estimate agrees with the truth, or if not judged, is finite. NaN never passes."""
        if not self.judged:
            return math.isfinite(self.estimate)
        return abs(self.estimate - self.truth) <= ERRORS * self.error + self.tolerance
