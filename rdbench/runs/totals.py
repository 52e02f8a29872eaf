"""Sums over an epoch, and checks that the loss is finite and below that of fair coins."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from rdbench.models import Terms

MOST_SKIPPED = 10
"""The number of skipped steps, whose loss or gradients are not finite, at which a run counts as diverged."""

LEARNED = 0.9
"""The model has learned something once its loss is below this fraction of fair coins' (it wavers around 1 at first)."""


class DivergedError(ArithmeticError):
    """The loss is no longer finite."""


class Totals:
    """Sums over an epoch, and counts of skipped steps and of jumps, all on the device and changed in place.

    A jump is a step whose R + D is above ``coins``, that of fair coins in nats, after it was below ``LEARNED`` of that.
    """

    def __init__(self, device: torch.device, coins: float) -> None:
        self.coins = coins
        self.sums = torch.zeros(3, device=device)  # of rate, distortion and penalty, NaN where a model has none
        self.count = torch.zeros((), device=device)
        self.mean_beta = torch.zeros((), dtype=torch.float64, device=device)
        self.beta_deviations = torch.zeros((), dtype=torch.float64, device=device)  # their squares, summed
        self.learned = torch.zeros((), dtype=torch.bool, device=device)
        self.jumps = torch.zeros((), device=device)
        self.skipped = torch.zeros((), device=device)
        self.last_skipped = torch.zeros((), device=device)  # number of a step, from 1; floats are exact up to 2**24
        self.last_good = torch.full((3,), math.nan, device=device)  # number, rate and distortion of a step

    def add(self, terms: Terms, beta: Tensor, finite: Tensor, step: Tensor) -> Tensor:
        """Add the step that follows ``step`` steps; return 1 if it must be skipped, so that no weight changes, else 0.

        After ``MOST_SKIPPED`` skipped steps all further ones are skipped, so the weights stay until ``check`` raises.
        """
        few = self.skipped < MOST_SKIPPED
        taken = finite & few
        number = (step + 1).to(self.count.dtype)
        means = torch.stack([terms.mean_rate, terms.mean_distortion]).detach()
        penalty = torch.full_like(means[0], math.nan) if terms.penalty is None else terms.mean_penalty.detach()
        self.sums += torch.where(taken, torch.cat([means, penalty.view(1)]), 0.0)
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
        """Welford's update; the deviation of a constant β is exactly 0."""
        before = beta - self.mean_beta
        self.mean_beta += before / self.count.clamp(min=1)
        self.beta_deviations += before * (beta - self.mean_beta)

    def check(self) -> None:
        """Check that few steps were skipped.

        Raises:
            DivergedError: ``MOST_SKIPPED`` steps were skipped.
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
        """The mean rate and distortion over the finite steps of the epoch so far, in nats; NaN if there are none."""
        self.check()
        rate, distortion, _ = (self.sums / self.count).tolist()
        return rate, distortion

    def mean_penalty(self) -> float:
        """The mean penalty over the finite steps of the epoch so far, NaN where the model has none."""
        return float(self.sums[2] / self.count)

    def beta(self) -> tuple[float, float]:
        """The mean and the standard deviation of β over the finite steps of the epoch so far."""
        variance = self.beta_deviations / self.count.clamp(min=1)
        return float(self.mean_beta), math.sqrt(float(variance))

    def begin_epoch(self) -> None:
        """Set the sums of an epoch to 0."""
        for value in (self.sums, self.count, self.mean_beta, self.beta_deviations, self.jumps):
            value.zero_()

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what ``tensors`` gave."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name].reshape(value.shape))


def require_finite(when: str, *values: float) -> None:
    """Check that rates and distortions are finite.

    Raises:
        DivergedError: one is not finite.
    """
    if not all(map(math.isfinite, values)):
        raise DivergedError(f"found {', '.join(f'{value:g}' for value in values)} nats {when}")
