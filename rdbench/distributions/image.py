"""Distributions over binary images: independent pixels, and pixels that depend on those before them."""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, constraints


def independent_pixels(logits: Tensor) -> Distribution:
    """Bernoulli pixels with (..., H, W) logits; an event is an image."""
    return Independent(Bernoulli(logits=logits.float(), validate_args=False), 2, validate_args=False)


class AutoregressivePixels(Distribution):
    """log p(x) = Σᵢ log Bernoulli(xᵢ | x before i, context), nats per image.

    ``network`` maps (N, H, W) images and (N, H, W) contexts to (N, H, W) logits, each of which depends on earlier
    pixels only; ``context`` is (..., H, W), and what stands before H is the batch.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.independent(constraints.boolean, 2)

    def __init__(self, network: Callable[[Tensor, Tensor], Tensor], context: Tensor) -> None:
        self.network = network
        self.context = context
        super().__init__(context.shape[:-2], context.shape[-2:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """(..., H, W) images to (...) nats; in parallel over pixels."""
        value, context = torch.broadcast_tensors(value, self.context)
        logits = self.network(_flat(value), _flat(context)).reshape(value.shape)
        return -F.binary_cross_entropy_with_logits(logits.float(), value, reduction="none").sum((-2, -1))

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Images drawn pixel by pixel: one pass of the whole network for each."""
        with torch.no_grad():
            context = self.context.expand(*sample_shape, *self.context.shape)
            return self.from_uniform(torch.rand_like(context))

    def from_uniform(self, uniform: Tensor) -> Tensor:
        """The images that (..., H, W) uniform draws stand for: a pixel is 1 where its draw is below its probability."""
        context, draws = _flat(self.context.expand(uniform.shape)), _flat(uniform)
        images = torch.zeros_like(draws)
        for row in range(images.shape[-2]):
            for column in range(images.shape[-1]):
                logits = self.network(images, context)[:, row, column].float()
                images[:, row, column] = (draws[:, row, column] < logits.sigmoid()).to(images.dtype)
        return images.reshape(uniform.shape)


def _flat(images: Tensor) -> Tensor:
    """(..., H, W) as (N, H, W)."""
    return images.reshape(-1, *images.shape[-2:])
