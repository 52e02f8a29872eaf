"""What training minimises: functions of terms and of the step."""

from dataclasses import dataclass

from torch import Tensor

from rdbench.models import Terms


@dataclass(frozen=True)
class BetaVAE:
    """D + βR, nats per example, with β rising linearly from 0 over the first ``anneal_steps`` steps.

    "Fixing a broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464).

    >>> objective = BetaVAE(beta=2.0, anneal_steps=10)
    >>> [objective.beta_at(step) for step in (0, 5, 10, 1000)]
    [0.0, 1.0, 2.0, 2.0]
    """

    beta: float
    anneal_steps: int = 0

    def beta_at(self, step: int) -> float:
        """β at a step, counted from 0."""
        return self.beta * min(1.0, step / self.anneal_steps) if self.anneal_steps else self.beta

    def __call__(self, terms: Terms, step: int) -> Tensor:
        """The loss, a scalar."""
        return (terms.distortion + self.beta_at(step) * terms.rate).mean()
