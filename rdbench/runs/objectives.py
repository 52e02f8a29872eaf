"""The objectives of training: functions of the terms of a batch and the number of steps done."""

import math
from typing import Self

import torch
from torch import Tensor, nn

from rdbench.config.plugins import make
from rdbench.config.run_config import RunConfig
from rdbench.models import Terms

LARGEST_INTEGRAL = 12.0
"""The bound on |i|, the integral term: a target rate out of reach must not drive β out of float32."""


class Objective(nn.Module):
    """A loss in nats per example, and the β that weighs the rate in its gradient.

    Terms of shape (..., samples, batch) give a loss of shape (...): models trained side by side have one each.
    ``step`` is a 0-dim tensor, the number of steps done. ``beta`` is the β of the latest loss. It is a module so that
    its adapted values are moved and saved like weights; they change in place so that a CUDA graph can record it.
    """

    beta: Tensor
    samples = 1
    """How many draws of z the loss needs for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("beta", torch.tensor(1.0))

    @classmethod
    def of(cls, run: RunConfig, steps_per_epoch: int) -> Self:
        """The objective that a run describes; ``steps_per_epoch`` turns epochs into steps."""
        raise NotImplementedError

    def beside(self, models: int) -> "Objective":
        """This objective for several models trained side by side, each with a β of its own."""
        for name, value in list(self.named_buffers()):
            self.register_buffer(name, value.repeat(models))
        return self


class BetaVAE(Objective):
    """D + βR, where β goes linearly from ``start`` to ``final`` over the first ``anneal_steps`` steps.

    "Fixing a broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464).
    """

    def __init__(self, final: float, start: float = 0.0, anneal_steps: int = 0) -> None:
        super().__init__()
        self.final = final
        self.start = start
        self.anneal_steps = anneal_steps

    @classmethod
    def of(cls, run: RunConfig, steps_per_epoch: int) -> Self:
        return cls(run.beta or 0.0, run.anneal_from or 0.0, run.anneal_epochs * steps_per_epoch)

    def forward(self, terms: Terms, step: Tensor) -> Tensor:
        self.beta.copy_(annealed(self.start, self.final, step, self.anneal_steps))
        return terms.mean_distortion + self.beta * terms.mean_rate


class TargetRate(Objective):
    """Minimise D subject to R = R*, by a multiplier β that adapts to the difference R − R*.

    The loss is D + βR with β = e^(i + 4p), where p = (R − R*) / max(R*, 1), clipped to ±1, and i is the sum of 0.05 p
    over the steps: dual ascent on log β, with the damping of the modified differential method of multipliers. "Taming
    VAEs" (Rezende & Viola, 2018, https://arxiv.org/abs/1810.00597); "Constrained differential optimization" (Platt &
    Barr, 1987, https://proceedings.neurips.cc/paper/1987). R* rises linearly from 0 over the first ``anneal_steps``
    steps.
    """

    integral: Tensor
    GAIN = 0.05
    DAMPING = 4.0

    def __init__(self, target_rate: float, anneal_steps: int = 0) -> None:
        super().__init__()
        self.target_rate = target_rate
        self.anneal_steps = anneal_steps
        self.register_buffer("integral", torch.tensor(0.0))

    @classmethod
    def of(cls, run: RunConfig, steps_per_epoch: int) -> Self:
        return cls(run.target_rate or 0.0, run.anneal_epochs * steps_per_epoch)

    def forward(self, terms: Terms, step: Tensor) -> Tensor:
        rate = terms.mean_rate
        target = annealed(0.0, self.target_rate, step, self.anneal_steps).to(rate.dtype)
        excess = ((rate.detach() - target) / max(self.target_rate, 1.0)).clamp(-1, 1)
        self.integral.add_(self.GAIN * excess).clamp_(-LARGEST_INTEGRAL, LARGEST_INTEGRAL)
        self.beta.copy_((self.integral + self.DAMPING * excess).exp())
        return terms.mean_distortion + self.beta * rate


class TargetRatePenalty(Objective):
    """D + |R − R*|, the paper's objective; R* rises linearly from 0 over the first ``anneal_steps`` steps.

    Above R* this is −ELBO − R*, which is constant along D + R = H: a model on that line may stop at any rate above R*.
    """

    def __init__(self, target_rate: float, anneal_steps: int = 0) -> None:
        super().__init__()
        self.target_rate = target_rate
        self.anneal_steps = anneal_steps

    @classmethod
    def of(cls, run: RunConfig, steps_per_epoch: int) -> Self:
        return cls(run.target_rate or 0.0, run.anneal_epochs * steps_per_epoch)

    def forward(self, terms: Terms, step: Tensor) -> Tensor:
        rate = terms.mean_rate
        excess = rate - annealed(0.0, self.target_rate, step, self.anneal_steps).to(rate.dtype)
        self.beta.copy_(excess.detach().sign())
        return terms.mean_distortion + excess.abs()


class FreeBits(Objective):
    """D + max(λ, R): the first λ = ``free_nats`` nats of a batch's mean rate are free.

    "Improving variational inference with inverse autoregressive flow" (Kingma et al., 2016,
    https://arxiv.org/abs/1606.04934), with all of z as one group: rates by dimension are not defined for every family.
    """

    def __init__(self, free_nats: float) -> None:
        super().__init__()
        self.free_nats = free_nats

    @classmethod
    def of(cls, run: RunConfig, steps_per_epoch: int) -> Self:
        return cls(run.free_nats or 0.0)

    def forward(self, terms: Terms, step: Tensor) -> Tensor:
        rate = terms.mean_rate
        self.beta.copy_(rate.detach() > self.free_nats)
        return terms.mean_distortion + rate.clamp(min=self.free_nats)


class IWAE(Objective):
    """−log 1/k Σ d(x|z) m(z) / e(z|x) over k samples of z.

    "Importance weighted autoencoders" (Burda et al., 2015, https://arxiv.org/abs/1509.00519).
    """

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.samples = samples

    @classmethod
    def of(cls, run: RunConfig, steps_per_epoch: int) -> Self:
        return cls(run.train_samples or 1)

    def forward(self, terms: Terms, step: Tensor) -> Tensor:
        log_weights = -(terms.rate + terms.distortion)
        return (math.log(self.samples) - log_weights.logsumexp(-2)).mean(-1)


def make_objective(run: RunConfig, steps_per_epoch: int) -> Objective:
    """The objective that a run describes."""
    objective: type[Objective] = make("objective", run.objective)
    return objective.of(run, steps_per_epoch)


def annealed(start: float, final: float, step: Tensor, steps: int) -> Tensor:
    """A line from ``start`` to ``final`` over the first ``steps`` steps, then ``final``; float64, shaped as ``step``.

    >>> steps = torch.tensor([0, 5, 10, 1000])
    >>> annealed(0.0, 2.0, steps, 10).tolist(), annealed(5.0, 1.0, steps, 10).tolist()
    ([0.0, 1.0, 2.0, 2.0], [5.0, 3.0, 1.0, 1.0])
    """
    if not steps:
        return torch.full_like(step, final, dtype=torch.float64)
    return start + (final - start) * (step.double() / steps).clamp(max=1)
