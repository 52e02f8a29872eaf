"""Batches of the distributions that encoders give, as one batch and as mixtures."""

from collections.abc import Sequence
from typing import Any

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


def mixture(logits: Tensor, components: Distribution) -> Distribution:
    """Σᵢ wᵢ pᵢ with w = softmax(``logits``) of shape (N,), over a batch of N ``components``.

    Components that share a flow are mixed before it: the flow of a mixture is the mixture of the flows.
    """
    if isinstance(components, TransformedDistribution):
        base = mixture(logits, components.base_dist)
        return TransformedDistribution(base, components.transforms, validate_args=False)
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, components, validate_args=False)


def together(parts: Sequence[Any]) -> Distribution:
    """Several batches of diagonal Gaussians, or of one flow of such, as one batch."""
    first = parts[0]
    if isinstance(first, TransformedDistribution):
        base = together([part.base_dist for part in parts])
        return TransformedDistribution(base, first.transforms, validate_args=False)
    location, scale = (torch.cat([getattr(part.base_dist, name) for part in parts]) for name in ("loc", "scale"))
    return Independent(Normal(location, scale, validate_args=False), 1, validate_args=False)
