"""What an epoch adds up to, and whether the loss is still finite and below that of no model."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from rdbench.models import Terms

MOST_SKIPPED = 10
"""Steps without a finite loss and finite gradients that are left out before a run counts as diverged."""


LEARNED = 0.9
"""The part of the loss of fair coins below which something has been learned: the first steps waver around all of it."""


class DivergedError(ArithmeticError):
    """The loss is no longer finite."""


class Totals:
    """Sums over an epoch, and counts of skipped steps and of jumps, all kept on the device and changed in place.

    A jump is a step whose R + D is above ``coins``, that of fair coins, after it was below ``LEARNED`` of it.
    """

    def __init__(self, device: torch.device, coins: float) -> None:
        self.coins = coins
        self.sums = torch.zeros(2, device=device)  # of rate and distortion
        self.count = torch.zeros((), device=device)
        self.mean_beta = torch.zeros((), dtype=torch.float64, device=device)
        self.beta_deviations = torch.zeros((), dtype=torch.float64, device=device)  # their squares, summed
        self.learned = torch.zeros((), dtype=torch.bool, device=device)
        self.jumps = torch.zeros((), device=device)
        self.skipped = torch.zeros((), device=device)
        self.last_skipped = torch.zeros((), device=device)  # a step, counted from 1; floats are exact up to 2**24
        self.last_good = torch.full((3,), math.nan, device=device)  # a step, its rate and its distortion

    def add(self, terms: Terms, beta: Tensor, finite: Tensor, step: Tensor) -> Tensor:
        """Take the step after the first ``step`` into account; 1 where it must change no weight, else 0.

        Once there were too many such steps, all are: the weights stay as they were then, whenever that is noticed.
        """
        few = self.skipped < MOST_SKIPPED
        taken = finite & few
        number = (step + 1).to(self.count.dtype)
        means = torch.stack([terms.mean_rate, terms.mean_distortion]).detach()
        self.sums += torch.where(taken, means, 0.0)
        self.count += taken
        self._add_beta(torch.where(taken, beta.double(), self.mean_beta))
        self._add_loss(means.sum(), taken)
        self.last_skipped.copy_(torch.where(few & ~finite, number, self.last_skipped))
        self.skipped.add_(~taken).clamp_(max=MOST_SKIPPED)
        self.last_good.copy_(torch.where(taken, torch.cat([number.view(1), means]), self.last_good))
        return (~taken).float()

    def _add_loss(self, loss: Tensor, taken: Tensor) -> None:
        self.jumps += taken & self.learned & (loss > self.coins)
        learned = (loss < LEARNED * self.coins) | (self.learned & (loss <= self.coins))
        self.learned.copy_(torch.where(taken, learned, self.learned))

    def _add_beta(self, beta: Tensor) -> None:
        """Welford's update, which gives a constant β a spread of exactly 0."""
        before = beta - self.mean_beta
        self.mean_beta += before / self.count.clamp(min=1)
        self.beta_deviations += before * (beta - self.mean_beta)

    def check(self) -> None:
        """Raise where too many steps were not finite.

        Raises:
            DivergedError: they were.
        """
        if int(self.skipped) < MOST_SKIPPED:
            return
        step, rate, distortion = self.last_good.tolist()
        last = f"last finite at step {step:.0f}: R {rate:g}, D {distortion:g} nats" if step == step else "none before"
        raise DivergedError(
            f"{MOST_SKIPPED} steps without finite nats of rate and distortion, or without finite gradients, by step "
            f"{int(self.last_skipped)}; {last}"
        )

    def means(self) -> tuple[float, float]:
        """Rate and distortion over the finite steps of the epoch so far, NaN where there are none."""
        self.check()
        rate, distortion = (self.sums / self.count).tolist()
        return rate, distortion

    def beta(self) -> tuple[float, float]:
        """The mean of β over the finite steps of the epoch so far, and its standard deviation over them."""
        variance = self.beta_deviations / self.count.clamp(min=1)
        return float(self.mean_beta), math.sqrt(float(variance))

    def begin_epoch(self) -> None:
        """Start the sums again."""
        for value in (self.sums, self.count, self.mean_beta, self.beta_deviations, self.jumps):
            value.zero_()

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what ``tensors`` gave."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name].reshape(value.shape))


def require_finite(when: str, *values: float) -> None:
    """Raise where a rate or a distortion is not finite.

    Raises:
        DivergedError: one is not.
    """
    if not all(map(math.isfinite, values)):
        raise DivergedError(f"found {', '.join(f'{value:g}' for value in values)} nats {when}")
