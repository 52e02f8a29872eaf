"""Mixtures of the distributions that encoders give."""

import math
from typing import TypeGuard

from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    TransformedDistribution,
)


def mixture(logits: Tensor, components: Distribution) -> Distribution:
    """Σᵢ wᵢ pᵢ over a batch of N ``components``, with w = softmax(``logits``), (N,).

    Components that share a flow are mixed in its base space, which gives the same mixture and evaluates the flow once.
    """
    if isinstance(components, TransformedDistribution):
        base = mixture(logits, components.base_dist)
        return TransformedDistribution(base, components.transforms, validate_args=False)
    weights = Categorical(logits=logits, validate_args=False)
    if is_diagonal(components):
        return DiagonalMixture(weights, components, validate_args=False)
    return MixtureSameFamily(weights, components, validate_args=False)


def is_diagonal(distribution: Distribution) -> TypeGuard["Independent[Normal]"]:
    """Whether a distribution is made of Gaussians with diagonal covariances."""
    return isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal)


class DiagonalMixture(MixtureSameFamily):
    """A mixture of Gaussians with diagonal covariances, whose densities are two matrix products.

    log p(z) = log Σᵢ exp(cᵢ + z · μᵢ/σᵢ² − z²/2 · 1/σᵢ²) with cᵢ = log wᵢ − ½ Σ (μᵢ²/σᵢ² + log 2πσᵢ²), sums over
    dimensions. The terms are large and cancel, so they are computed in float64.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats of z, (..., D) to (...), in the precision of z."""
        gaussians = self.component_distribution.base_dist  # type: ignore[attr-defined]
        mean, deviation = gaussians.loc.double(), gaussians.scale.double()
        precision = deviation**-2
        norms = (mean.square() * precision + 2 * deviation.log() + math.log(2 * math.pi)).sum(-1)
        of_component = self.mixture_distribution.logits.double() - norms / 2
        z = value.double()
        exponents = of_component + z @ (mean * precision).mT - z.square() @ precision.mT / 2
        return exponents.logsumexp(-1).to(value.dtype)
