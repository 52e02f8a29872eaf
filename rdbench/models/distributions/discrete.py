"""Distributions over discrete latents: bits, and variables of several values, one-hot and side by side."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

Shape = torch.Size | list[int] | tuple[int, ...]


class Bits(Distribution):
    """Independent bits with (..., n) logits; an event is (n,) zeros and ones; nats.

    Samples are hard, so no gradient passes through them; ``models/estimators.py`` has estimators.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    categories = 2

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits.float()
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(..., n) probabilities of a one."""
        return self.logits.sigmoid()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """(sample_shape, ..., n) zeros and ones."""
        with torch.no_grad():
            return (torch.rand(*sample_shape, *self.logits.shape, device=self.logits.device) < self.mean).float()

    def log_prob(self, value: Tensor) -> Tensor:
        """Σᵢ zᵢ log pᵢ + (1 − zᵢ) log(1 − pᵢ)."""
        logits, value = torch.broadcast_tensors(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none").sum(-1)

    def log_tables(self) -> Tensor:
        """(..., n, 2) log-probabilities of each value of each variable."""
        return torch.stack([F.logsigmoid(-self.logits), F.logsigmoid(self.logits)], -1)

    def entropy(self) -> Tensor:
        """Σᵢ H(pᵢ), (...)."""
        return _entropy(self.log_tables())


class OneHots(Distribution):
    """Independent variables of K values with (..., n, K) logits; an event is (n·K,), the n one-hot vectors in a row."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits.float().log_softmax(-1)
        variables, self.categories = logits.shape[-2:]
        super().__init__(logits.shape[:-2], torch.Size([variables * self.categories]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(..., n·K) probabilities."""
        return self.logits.exp().flatten(-2)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """(sample_shape, ..., n·K) one-hot vectors."""
        return F.one_hot(draw(self.logits, sample_shape), self.categories).float().flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σᵢ log pᵢ(zᵢ), (...) nats."""
        return (value.unflatten(-1, (-1, self.categories)) * self.logits).sum((-2, -1))

    def log_tables(self) -> Tensor:
        """(..., n, K) log-probabilities of each value of each variable."""
        return self.logits

    def entropy(self) -> Tensor:
        """Σᵢ H(pᵢ), (...)."""
        return _entropy(self.logits)


Factorised = Bits | OneHots


def rates(encoder: Factorised, marginal: Factorised) -> Tensor:
    """KL(eᵢ ‖ mᵢ) of each variable, (..., n); nats."""
    log_e, log_m = encoder.log_tables(), marginal.log_tables()
    return (log_e.exp() * (log_e - log_m)).sum(-1)


@register_kl(Bits, Bits)
def _kl_bits(encoder: Bits, marginal: Bits) -> Tensor:
    return rates(encoder, marginal).sum(-1)


@register_kl(OneHots, OneHots)
def _kl_one_hots(encoder: OneHots, marginal: OneHots) -> Tensor:
    return rates(encoder, marginal).sum(-1)


class AutoregressiveLatents(Distribution):
    """log m(z) = Σᵢ log m(zᵢ | z before i), by a network whose logits of variable i depend on earlier variables only.

    ``network`` maps (..., event) z to logits, from which ``factors`` makes a distribution. ``like`` has the shape of z,
    in which each variable takes ``each`` places.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, network: torch.nn.Module, factors: type[Distribution], like: Tensor, each: int) -> None:
        self.network = network
        self.factors = factors
        self.like = like
        self.each = each
        super().__init__(torch.Size(), like.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """(..., event) to (...) nats, in one pass."""
        return self.factors(self.network(value)).log_prob(value)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """z drawn variable by variable, with one pass of the network for each."""
        with torch.no_grad():
            z = torch.zeros(*sample_shape, *self.event_shape, dtype=self.like.dtype, device=self.like.device)
            for start in range(0, z.shape[-1], self.each):
                drawn = self.factors(self.network(z)).sample()
                z[..., start : start + self.each] = drawn[..., start : start + self.each]
            return z


@torch.no_grad()
def draw(logits: Tensor, sample_shape: Shape) -> Tensor:
    """(sample_shape, ...) values of variables with (..., K) logits: the argmax of the logits plus Gumbel noise."""
    noise = -torch.empty(*sample_shape, *logits.shape, device=logits.device).exponential_().log()
    return (logits + noise).argmax(-1)


def _entropy(log_tables: Tensor) -> Tensor:
    return -(log_tables.exp() * log_tables).sum((-2, -1))
