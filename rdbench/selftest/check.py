"""What a self-test finds."""

from dataclasses import dataclass

ERRORS = 4.0
"""Standard errors that an estimate may be off: some dozens of checks are made, and a right one should not fail."""


@dataclass(frozen=True)
class Check:
    """An estimate beside the truth, in nats unless the name says otherwise.

    ``error`` is the estimate's standard error and ``tolerance`` what it may be off besides: the bias of a finite k,
    the coarseness of a grid, the rounding of float32. ``mend`` says what to do where it fails.
    """

    name: str
    truth: float
    estimate: float
    error: float = 0.0
    tolerance: float = 0.0
    mend: str = ""

    @property
    def passed(self) -> bool:
        """Whether the estimate is the truth, as far as it can know; NaN is not."""
        return abs(self.estimate - self.truth) <= ERRORS * self.error + self.tolerance
