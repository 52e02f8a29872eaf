"""Distributions over binary images: independent pixels, and pixels that depend on those before them."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, constraints

from rdbench.models.nn.pixelcnn import PixelCNN
from rdbench.models.nn.pixelcnn_incremental import IncrementalPixelCNN


def independent_pixels(logits: Tensor) -> Distribution:
    """Bernoulli pixels with (..., H, W) logits; an event is an image."""
    return Independent(Bernoulli(logits=logits.float(), validate_args=False), 2, validate_args=False)


class AutoregressivePixels(Distribution):
    """log p(x) = Σᵢ log Bernoulli(xᵢ | x before i, context), nats per image.

    ``network`` maps (N, H, W) images and (N, H, W) contexts to (N, H, W) logits, each of which depends on earlier
    pixels only. ``context`` is (batch, H, W) with any batch shape.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.independent(constraints.boolean, 2)

    def __init__(self, network: PixelCNN, context: Tensor) -> None:
        self.network = network
        self.context = context
        super().__init__(context.shape[:-2], context.shape[-2:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) of (..., H, W) images, (...) nats, in one pass."""
        value, context = torch.broadcast_tensors(value, self.context)
        logits = self.network(_flat(value), _flat(context)).reshape(value.shape)
        return -F.binary_cross_entropy_with_logits(logits.float(), value, reduction="none").sum((-2, -1))

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draw images pixel by pixel, in about the time of one pass of the whole network."""
        with torch.no_grad():
            context = self.context.expand(*sample_shape, *self.context.shape)
            return self.from_uniform(torch.rand_like(context))

    def from_uniform(self, uniform: Tensor) -> Tensor:
        """Images from (..., H, W) uniform draws: ink where a draw is below its pixel's probability."""
        network = IncrementalPixelCNN(self.network, _flat(self.context.expand(uniform.shape)))
        pixels = []
        for draw in _flat(uniform).flatten(1).unbind(1):
            pixels.append((draw < network.next_logits().float().sigmoid()).to(uniform.dtype))
            network.append(pixels[-1])
        return torch.stack(pixels, 1).reshape(uniform.shape)


def _flat(images: Tensor) -> Tensor:
    """(..., H, W) as (N, H, W)."""
    return images.reshape(-1, *images.shape[-2:])
