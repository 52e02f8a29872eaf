"""Exact sums over every value of a discrete z."""

import itertools
import math

import torch
from torch import Tensor

from rdbench.models import VAE
from rdbench.models.discrete import DiscreteEncoder
from rdbench.models.distributions.codes import Indices
from rdbench.models.distributions.discrete import Bits

DECODED_AT_ONCE = 1600
"""Images: values of z times images whose likelihoods are found together."""


def count(encoder: DiscreteEncoder) -> int:
    """How many values z has."""
    variables, *categories = encoder.logits_shape
    return int((categories[0] if categories else 2) ** variables)


def every_z(encoder: DiscreteEncoder) -> Tensor:
    """All values of z, (count, event), on the CPU."""
    variables, *categories = encoder.logits_shape
    if issubclass(encoder.factors, Indices):
        return torch.cartesian_prod(*[torch.arange(categories[0])] * variables).view(-1, variables)
    values = torch.tensor([[0.0], [1.0]]) if encoder.factors is Bits else torch.eye(categories[0])
    return torch.stack([torch.cat(z) for z in itertools.product(values, repeat=variables)])


@torch.no_grad()
def log_likelihood(model: VAE, images: Tensor, z: Tensor) -> Tensor:
    """log p(x) = log Σ_z m(z) d(x|z) of (N, side, side) images by a sum over all ``z``: (N,) nats in float64."""
    together = max(1, DECODED_AT_ONCE // len(images))
    total = torch.full((len(images),), -math.inf, dtype=torch.float64, device=images.device)
    log_marginal = model.marginal().log_prob(z).double()
    for part, log_m in zip(z.split(together), log_marginal.split(together), strict=True):
        decoder = model.decoder(part[:, None].expand(-1, len(images), -1))
        total = total.logaddexp((decoder.log_prob(images).double() + log_m[:, None]).logsumexp(0))
    return total
