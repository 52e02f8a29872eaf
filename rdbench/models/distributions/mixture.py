"""Mixtures of the distributions that encoders give."""

import math
from typing import TypeGuard

import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    TransformedDistribution,
)

CACHED_NUMBERS = 2**19
"""Numbers in a block of densities on a CPU: as many as stay in the cache of a core."""

DEVICE_NUMBERS = 2**26
"""Numbers in a block on any other device, whose memory holds them with ease."""


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
    """A mixture of N Gaussians of D dimensions with diagonal covariances, whose density is made in blocks of z.

    log p(z) = log Σᵢ exp(log wᵢ − Σ log σᵢ√2π − ½ Σ ((z − μᵢ)/σᵢ)²), inner sums over dimensions. A block of z needs
    N × D numbers for each z, and is small enough to stay in the cache.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats of z, (..., D) to (...)."""
        gaussians = self.component_distribution.base_dist  # type: ignore[attr-defined]
        mean, deviation = gaussians.loc, gaussians.scale
        volumes = (deviation.log() + math.log(2 * math.pi) / 2).sum(-1)
        heights = self.mixture_distribution.logits - volumes
        together = CACHED_NUMBERS if mean.device.type == "cpu" else DEVICE_NUMBERS
        blocks = value.reshape(-1, 1, value.shape[-1]).split(max(1, together // mean.numel()))
        densities = [(heights - ((z - mean) / deviation).square().sum(-1) / 2).logsumexp(-1) for z in blocks]
        return torch.cat(densities).view(value.shape[:-1])
