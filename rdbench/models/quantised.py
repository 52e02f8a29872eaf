"""Encoders that quantise: z is a grid of codes, and the decoder sees the codes' vectors."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from rdbench.models.codebook import Codebook
from rdbench.models.discrete import DiscreteEncoder
from rdbench.models.distributions.codes import Codes, Indices, UniformIndices
from rdbench.models.estimators import through
from rdbench.models.size import Size
from rdbench.models.terms import Terms
from rdbench.models.trunk import trunk
from rdbench.models.vae import VAE

PAPER_SIDE = 28
"""Of the images to which ``grid`` refers; of other images it is in proportion."""


def places(grid: int, image_side: int) -> int:
    """The places along a side of the grid of codes.

    >>> places(7, 28), places(4, 28), places(7, 20)
    (7, 4, 5)
    """
    return max(1, round(grid * image_side / PAPER_SIDE))


class Quantised(NamedTuple):
    """``codes`` (N, n); the ``vectors`` (N, size) that the decoder sees; ``penalty`` (N,)."""

    codes: Tensor
    vectors: Tensor
    penalty: Tensor


class QuantisedTerms(nn.Module):
    """Terms of a deterministic encoder: log e = 0, log d at the codes' vectors, log m of the codes, and the penalty.

    The gradient at the codes' vectors passes straight through to what was quantised.
    """

    relaxes = False

    def forward(self, model: VAE, images: Tensor, samples: int, targets: Tensor) -> Terms:
        """Every draw of z is the same, so one of them stands for all."""
        encoder: Any = model.encoder
        decoder: Any = model.decoder
        codes, vectors, penalty = encoder.quantise(images)
        log_decoder = decoder.of_vectors(vectors[None]).log_prob(targets)
        log_marginal = model.marginal().log_prob(codes[None])
        terms = (torch.zeros_like(log_decoder), log_decoder, log_marginal, penalty[None])
        return Terms(*(term.expand(samples, -1) for term in terms))


class OfCodes(nn.Module):
    """A decoder of codes: ``decoder`` at the vectors that an encoder has for them."""

    def __init__(self, encoder: "VQEncoder", decoder: nn.Module) -> None:
        super().__init__()
        self.of_vectors = decoder
        self._encoder = (encoder,)  # in a tuple, for its parameters are the encoder's and not this module's

    def forward(self, z: Tensor) -> Distribution:
        (encoder,) = self._encoder
        decoded: Distribution = self.of_vectors(encoder.embed(z))
        return decoded


class VQEncoder(DiscreteEncoder):
    """z = the nearest of K codes, in ``latent_dim`` dimensions, at each of ``grid`` × ``grid`` places.

    (N, side, side) images to codes of (n,), row by row. "Neural discrete representation learning" (van den Oord et al.,
    2017, https://arxiv.org/abs/1711.00937).
    """

    factors, uniform = Indices, UniformIndices

    def __init__(self, size: Size, codes: int, grid: int, commitment: float, codebook: str) -> None:
        super().__init__()
        self.grid = places(grid, size.image_side)
        self.dimensions = size.latent_dim
        layers, wide = trunk(size, self.grid)
        self.features = layers[:-1]  # without what flattens them
        self.project = nn.Conv2d(wide, size.latent_dim, 1)
        self.codebook = Codebook(codes, size.latent_dim, commitment, codebook)
        self.logits_shape = (self.grid**2, codes)
        self.latent_size = size.latent_dim * self.grid**2
        self.estimator = QuantisedTerms()

    def forward(self, images: Tensor) -> Distribution:
        return Codes(self.codebook.nearest(self.project(self.features((2 * images - 1).unsqueeze(1)))))

    def quantise(self, images: Tensor) -> Quantised:
        """Codes and penalty of images, and the codes' vectors with a gradient to the encoder."""
        encoded = self.project(self.features((2 * images - 1).unsqueeze(1)))
        codes, penalty = self.codebook(encoded)
        vectors = through(self.embed(codes), encoded.float().flatten(1))
        return Quantised(codes, vectors, penalty)

    def embed(self, codes: Tensor) -> Tensor:
        """(..., n) codes to (..., D · n) vectors, dimension by dimension as maps lie in memory."""
        return self.codebook.vectors[codes].transpose(-1, -2).flatten(-2)
