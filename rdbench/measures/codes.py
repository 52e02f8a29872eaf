"""How the codes of a deterministic encoder are used, over a whole split."""

import math
from typing import Any

import torch
from torch import Tensor

from rdbench.data.images import Images
from rdbench.measures.bounds import IMAGES_AT_ONCE, measuring
from rdbench.models import VAE
from rdbench.models.distributions.codes import Codes


def use_of_codes(model: VAE, counts: Tensor | None) -> dict[str, float]:
    """``codes_used``; ``code_perplexity`` e^H of the codes' frequencies; and two rates for comparison.

    ``counts`` are those of ``code_counts``. ``uniform_rate`` is n log K, ``code_entropy`` n H: what R would be if each
    of n places drew its code by these frequencies. Both in nats. Places that share a codebook are counted together. Of
    two codebooks ``codes_used`` is the larger number and n H a sum over both. Empty unless z is codes.
    """
    if counts is None:
        return {}
    places, codes = counts.shape
    levels: Any = model.encoder.levels
    by_level = [level.sum(0) for level in counts.split(levels)]
    entropy = float(sum(n * entropy_of(found) for n, found in zip(levels, by_level, strict=True)))
    return {
        "codes_used": max(int((found > 0).sum()) for found in by_level),
        "code_perplexity": math.exp(entropy / places),
        "code_entropy": entropy,
        "uniform_rate": places * math.log(codes),
    }


@measuring()
def code_counts(model: VAE, images: Images | Tensor) -> Tensor | None:
    """(n, K): how often each place of the grid has each code; None unless z is codes."""
    if not hasattr(model.encoder, "embed"):
        return None
    shape: Any = model.encoder.logits_shape
    places, codes = shape
    counts = torch.zeros(places, codes, dtype=torch.float64, device=images[:1].device)
    for start in range(0, len(images), IMAGES_AT_ONCE):
        encoder = model.encoder(images[start : start + IMAGES_AT_ONCE])
        if not isinstance(encoder, Codes):
            return None
        counts.scatter_add_(1, encoder.codes.T, torch.ones_like(encoder.codes.T, dtype=counts.dtype))
    return counts


def entropy_of(counts: Tensor) -> Tensor:
    """H of the frequencies along the last dimension, in nats."""
    frequencies = counts / counts.sum(-1, keepdim=True)
    return -torch.xlogy(frequencies, frequencies).sum(-1)
