"""Distributions over grids of codes: (n,) whole numbers from 0 to K − 1."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from rdbench.models.distributions.discrete import Shape, draw


class Codes(Distribution):
    """e(z|x) of a deterministic encoder: all probability is on ``codes``, (batch, n) whole numbers, so log e = 0."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, codes: Tensor) -> None:
        self.codes = codes
        super().__init__(codes.shape[:-1], codes.shape[-1:], validate_args=False)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """(sample_shape, batch, n): the codes, each time."""
        return self.codes.expand(*sample_shape, *self.codes.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """0 at the codes, −∞ elsewhere."""
        same = (value == self.codes).all(-1)
        return torch.zeros(same.shape, device=value.device).masked_fill(~same, -math.inf)


class Indices(Distribution):
    """Independent variables of K values with (..., n, K) logits; an event is (n,) whole numbers; nats."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits.float().log_softmax(-1)
        super().__init__(logits.shape[:-2], logits.shape[-2:-1], validate_args=False)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """(sample_shape, ..., n) values."""
        return draw(self.logits, sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σᵢ log pᵢ of the value that each variable has."""
        logits = self.logits.expand(*value.shape, self.logits.shape[-1])
        return logits.gather(-1, value.unsqueeze(-1)).squeeze(-1).sum(-1)


class UniformIndices(Indices):
    """Independent variables with K values of equal probability: log p = −n log K. Only the shape of logits counts."""

    @property
    def entropy_of_all(self) -> float:
        """n log K."""
        variables, values = self.logits.shape[-2:]
        return variables * math.log(values)

    def log_prob(self, value: Tensor) -> Tensor:
        """−n log K."""
        return torch.full(value.shape[:-1], -self.entropy_of_all, device=value.device)


class TwoLevels(Distribution):
    """Codes of the ``top``, followed by those that ``bottom`` draws given (..., n) codes of the top."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, top: Indices, bottom: Callable[[Tensor], Indices]) -> None:
        self.top, self.bottom = top, bottom
        super().__init__(top.batch_shape, validate_args=False)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """(sample_shape, batch, n) codes of both levels."""
        top = self.top.sample(sample_shape)
        return torch.cat([top, self.bottom(top).sample()], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log e(top) + log e(bottom | top)."""
        top, bottom = value.tensor_split(self.top.event_shape, -1)
        return self.top.log_prob(top) + self.bottom(top).log_prob(bottom)


@register_kl(Codes, Distribution)
def _kl_codes(encoder: Codes, marginal: Distribution) -> Tensor:
    """−log m(codes): exact, for e(z|x) has one value only."""
    return -marginal.log_prob(encoder.codes)


@register_kl(Codes, UniformIndices)
def _kl_uniform(encoder: Codes, marginal: UniformIndices) -> Tensor:
    """n log K, to the last bit of a double."""
    return torch.full(encoder.batch_shape, marginal.entropy_of_all, dtype=torch.float64, device=encoder.codes.device)
