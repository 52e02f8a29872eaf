"""Encoders of bits and categories, and marginals of these and of codes."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from rdbench.models.distributions.codes import Indices
from rdbench.models.distributions.discrete import AutoregressiveLatents, Bits, OneHots
from rdbench.models.estimators import make_estimator
from rdbench.models.nn.made import MADE
from rdbench.models.size import Size
from rdbench.models.trunk import trunk

HIDDEN = 640
"""Units of each hidden layer of the autoregressive marginal, as in the paper's maf."""

EMBEDDED = 32
"""Numbers for each code within the autoregressive marginal: one-hot codes would take some 30 million weights."""


class DiscreteEncoder(nn.Module):
    """An encoder of discrete variables: ``factors`` makes a distribution from logits of ``logits_shape``."""

    factors: type[Bits] | type[OneHots] | type[Indices]
    logits_shape: tuple[int, ...]


class BernoulliEncoder(DiscreteEncoder):
    """e(z|x) = Πᵢ Bernoulli(zᵢ | x), ``latent_dim`` bits; (N, side, side) images to z of (latent_dim,)."""

    factors = Bits

    def __init__(self, size: Size, gradient: str, gradient_samples: int, temperature_rate: float) -> None:
        super().__init__()
        self.features, wide = trunk(size)
        self.logits = nn.Linear(wide, size.latent_dim)
        self.logits_shape = (size.latent_dim,)
        self.latent_size = size.latent_dim
        self.estimator = make_estimator(gradient, gradient_samples, temperature_rate)

    def forward(self, images: Tensor) -> Distribution:
        return Bits(self.logits(self.features((2 * images - 1).unsqueeze(1))))


class CategoricalEncoder(DiscreteEncoder):
    """e(z|x) = Πᵢ Categorical(zᵢ | x), ``latent_dim`` variables of ``categories`` values; z is one-hot, (n·K,)."""

    factors = OneHots

    def __init__(
        self, size: Size, categories: int, gradient: str, gradient_samples: int, temperature_rate: float
    ) -> None:
        super().__init__()
        self.features, wide = trunk(size)
        self.logits = nn.Linear(wide, size.latent_dim * categories)
        self.logits_shape = (size.latent_dim, categories)
        self.latent_size = size.latent_dim * categories
        self.estimator = make_estimator(gradient, gradient_samples, temperature_rate)

    def forward(self, images: Tensor) -> Distribution:
        logits = self.logits(self.features((2 * images - 1).unsqueeze(1)))
        return OneHots(logits.unflatten(-1, self.logits_shape))


class UniformMarginal(nn.Module):
    """m(z) = Πᵢ 1/K, fixed; R is n log K less the entropy of the encoder."""

    zeros: Tensor

    def __init__(self, size: Size, encoder: DiscreteEncoder) -> None:
        super().__init__()
        self.factors = getattr(encoder, "uniform", encoder.factors)
        self.register_buffer("zeros", torch.zeros(encoder.logits_shape), persistent=False)

    def forward(self) -> Distribution:
        return self.factors(self.zeros)


class FactorisedMarginal(nn.Module):
    """m(z) = Πᵢ m(zᵢ), learned."""

    def __init__(self, size: Size, encoder: DiscreteEncoder) -> None:
        super().__init__()
        self.factors = encoder.factors
        self.logits = nn.Parameter(torch.zeros(encoder.logits_shape))

    def forward(self) -> Distribution:
        return self.factors(self.logits)


class AutoregressiveMarginal(nn.Module):
    """m(z) = Πᵢ m(zᵢ | z before i), by a masked network with three hidden layers of 640 units."""

    like: Tensor

    def __init__(self, size: Size, encoder: DiscreteEncoder) -> None:
        super().__init__()
        self.factors = encoder.factors
        variables, *categories = encoder.logits_shape
        of_codes, hidden = issubclass(encoder.factors, Indices), size.channels(HIDDEN)
        self.each = categories[0] if categories and not of_codes else 1
        self.network: nn.Module
        if of_codes:
            self.network = _CodeLogits(variables, categories[0], hidden)
        else:
            self.network = _Logits(variables, self.each, hidden)
        like = torch.zeros(variables * self.each, dtype=torch.int64 if of_codes else torch.float32)
        self.register_buffer("like", like, persistent=False)

    def forward(self) -> Distribution:
        return AutoregressiveLatents(self.network, self.factors, self.like, self.each)


class _Logits(nn.Module):
    """(..., n·K) z to the logits of its factors, (..., n) of bits and (..., n, K) of categories."""

    def __init__(self, variables: int, each: int, hidden: int) -> None:
        super().__init__()
        self.each = each
        self.made = MADE(variables, hidden, each=each)

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.made(z).float()
        return logits if self.each == 1 else logits.unflatten(-1, (-1, self.each))


class _CodeLogits(nn.Module):
    """(..., n) codes to (..., n, K) logits: by a MADE over embedded codes, and then a map that all places share."""

    def __init__(self, variables: int, codes: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, EMBEDDED)
        self.made = MADE(variables, hidden, each=EMBEDDED)
        self.logits = nn.Linear(EMBEDDED, codes)

    def forward(self, z: Tensor) -> Tensor:
        made: Tensor = self.made(self.embedding(z).flatten(-2))
        logits: Tensor = self.logits(made.unflatten(-1, (-1, EMBEDDED)))
        return logits.float()
