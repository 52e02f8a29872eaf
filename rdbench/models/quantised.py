"""Encoders that quantise: z is a grid of codes, and the decoder sees the codes' vectors."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from rdbench.models.codebook import Codebook, Quantised
from rdbench.models.discrete import DiscreteEncoder
from rdbench.models.distributions.codes import Codes, Indices, TwoLevels, UniformIndices
from rdbench.models.nn.gated import GatedConv, GatedDeconv
from rdbench.models.size import Size
from rdbench.models.terms import Terms
from rdbench.models.trunk import patches_on_grid, trunk_to_grid
from rdbench.models.vae import VAE

COARSE, FINE = 4, 7
"""Places along a side of the two grids of ``vq2``, of 28 pixels."""

PAPER_SIDE = 28
"""Of the images to which ``grid`` refers; of other images it is in proportion."""


def places(grid: int, image_side: int) -> int:
    """The places along a side of the grid of codes.

    >>> places(7, 28), places(4, 28), places(7, 20)
    (7, 4, 5)
    """
    return max(1, round(grid * image_side / PAPER_SIDE))


class QuantisedTerms(nn.Module):
    """The terms of training with codes: log e = 0, log d at the codes' vectors, log m of the codes, and the penalty.

    The gradient at the codes' vectors passes straight through to what was quantised.
    """

    relaxes = False

    def forward(self, model: VAE, images: Tensor, samples: int, targets: Tensor) -> Terms:
        """Every draw of z is the same, so one of them stands for all.

        Codes are chosen in float32, as in evaluation: rounding would choose others between codes that are near.
        """
        encoder: Any = model.encoder
        decoder: Any = model.decoder
        with torch.autocast(images.device.type, enabled=False):
            codes, vectors, penalty = encoder.quantise(images)
        log_decoder = decoder.of_vectors(vectors[None]).log_prob(targets)
        log_marginal = model.marginal().log_prob(codes[None])
        terms = (torch.zeros_like(log_decoder), log_decoder, log_marginal, penalty[None])
        return Terms(*(term.expand(samples, -1) for term in terms))


class OfCodes(nn.Module):
    """A decoder of codes: ``decoder`` at the vectors that an encoder has for them."""

    def __init__(self, encoder: "CodeEncoder", decoder: nn.Module) -> None:
        super().__init__()
        self.of_vectors = decoder
        self._encoder = (encoder,)  # in a tuple, so that torch does not count its weights twice

    def forward(self, z: Tensor) -> Distribution:
        (encoder,) = self._encoder
        decoded: Distribution = self.of_vectors(encoder.embed(z))
        return decoded


class CodeEncoder(DiscreteEncoder):
    """A deterministic encoder whose z is codes, one at each place of one grid or more.

    ``levels`` has the number of places of each grid. A decoder sees ``latent_size`` numbers on ``grid`` × ``grid``
    places.
    """

    factors, uniform = Indices, UniformIndices
    levels: tuple[int, ...]
    latent_size: int
    grid: int
    features: nn.Sequential

    def __init__(self, levels: tuple[int, ...], codes: int) -> None:
        super().__init__()
        self.levels = levels
        self.logits_shape = (sum(levels), codes)
        self.estimator = QuantisedTerms()

    def forward(self, images: Tensor) -> Distribution:
        return Codes(self.quantise(images).codes)

    def maps(self, images: Tensor) -> Tensor:
        """(N, side, side) images to the trunk's (N, features, grid, grid)."""
        found: Tensor = self.features((2 * images - 1).unsqueeze(1))
        return found

    def quantise(self, images: Tensor) -> Quantised:
        """Codes and penalty of images, and the (N, latent_size) numbers that a decoder sees of them."""
        raise NotImplementedError

    def embed(self, codes: Tensor) -> Tensor:
        """(..., n) codes to the (..., latent_size) numbers that a decoder sees, as maps lie in memory."""
        raise NotImplementedError

    def softened(self, images: Tensor, tau: float) -> Distribution:
        """A random choice of codes in place of the nearest: e(z|x) ∝ Π exp(−‖zₑ − e‖²/τ)."""
        raise NotImplementedError


class VQEncoder(CodeEncoder):
    """z = the nearest of K codes, in ``latent_dim`` dimensions, at each of ``grid`` × ``grid`` places.

    (N, side, side) images to codes of (n,), row by row. With ``features`` "trunk" a place sees what the paper's trunk
    sees, with "patch" its own pixels. "Neural discrete representation learning" (van den Oord et al., 2017,
    https://arxiv.org/abs/1711.00937).
    """

    def __init__(self, size: Size, codes: int, grid: int, features: str, commitment: float, codebook: str) -> None:
        side = places(grid, size.image_side)
        super().__init__((side**2,), codes)
        self.grid = side
        self.features, wide = (patches_on_grid if features == "patch" else trunk_to_grid)(size, side)
        self.project = nn.Conv2d(wide, size.latent_dim, 1)
        self.codebook = Codebook(codes, size.latent_dim, commitment, codebook)
        self.latent_size = size.latent_dim * self.grid**2

    def quantise(self, images: Tensor) -> Quantised:
        """Codes, their vectors and the penalty."""
        codes, vectors, penalty = self.codebook(self._encoded(images))
        return Quantised(codes, vectors.flatten(1), penalty)

    def embed(self, codes: Tensor) -> Tensor:
        """The codes' vectors."""
        return self.codebook.look_up(codes, self.grid).flatten(-3)

    def softened(self, images: Tensor, tau: float) -> Distribution:
        """Each place apart."""
        return self.codebook.softened(self._encoded(images), tau)

    def _encoded(self, images: Tensor) -> Tensor:
        """zₑ, (N, D, grid, grid): what is quantised."""
        encoded: Tensor = self.project(self.maps(images))
        return encoded


class VQ2Encoder(CodeEncoder):
    """z = codes at 4 × 4 places (the top), then codes at 7 × 7 (the bottom), chosen given the top's.

    (N, side, side) images to codes of (n,), first the top's and then the bottom's, each row by row. A decoder sees the
    top's vectors, enlarged to the bottom's grid, and the bottom's. "Generating diverse high-fidelity images with
    VQ-VAE-2" (Razavi et al., 2019, https://arxiv.org/abs/1906.00446).
    """

    def __init__(self, size: Size, codes: int, commitment: float, codebook: str) -> None:
        coarse, fine = places(COARSE, size.image_side), places(FINE, size.image_side)
        super().__init__((coarse**2, fine**2), codes)
        self.coarse, self.grid = coarse, fine
        self.latent_size = 2 * size.latent_dim * fine**2
        self.features, wide = trunk_to_grid(size, fine)
        self.smaller = GatedConv(wide, wide, fine - coarse + 1, padding="valid")
        self.project_top = nn.Conv2d(wide, size.latent_dim, 1)
        self.larger = GatedDeconv(size.latent_dim, size.latent_dim, fine - coarse + 1)
        self.project_bottom = nn.Conv2d(wide + size.latent_dim, size.latent_dim, 1)
        self.top = Codebook(codes, size.latent_dim, commitment, codebook)
        self.bottom = Codebook(codes, size.latent_dim, commitment, codebook)

    def quantise(self, images: Tensor) -> Quantised:
        """Codes, vectors and penalty, both levels together."""
        features = self.maps(images)
        top = self.top(self.project_top(self.smaller(features)))
        enlarged = self.larger(top.vectors)
        bottom = self.bottom(self._encoded_bottom(features, enlarged))
        codes = torch.cat([top.codes, bottom.codes], -1)
        return Quantised(codes, _side_by_side(enlarged, bottom.vectors), top.penalty + bottom.penalty)

    def embed(self, codes: Tensor) -> Tensor:
        """The top's vectors, enlarged, and the bottom's."""
        top, bottom = codes.reshape(-1, codes.shape[-1]).split(self.levels, -1)
        enlarged = self.larger(self.top.look_up(top, self.coarse))
        return _side_by_side(enlarged, self.bottom.look_up(bottom, self.grid)).reshape(*codes.shape[:-1], -1)

    def softened(self, images: Tensor, tau: float) -> Distribution:
        """The top's codes, then the bottom's given those."""
        features = self.maps(images)

        def bottom(codes: Tensor) -> Indices:
            """Of (..., N, n) codes of the top."""
            enlarged = self.larger(self.top.look_up(codes.reshape(-1, codes.shape[-1]), self.coarse))
            repeated = features.repeat(len(enlarged) // len(features), 1, 1, 1)
            found = self.bottom.softened(self._encoded_bottom(repeated, enlarged), tau)
            return Indices(found.logits.reshape(*codes.shape[:-1], *found.logits.shape[1:]))

        return TwoLevels(self.top.softened(self.project_top(self.smaller(features)), tau), bottom)

    def _encoded_bottom(self, features: Tensor, enlarged: Tensor) -> Tensor:
        """zₑ of the bottom, (N, D, 7, 7), by an encoder that sees the top's vectors."""
        encoded: Tensor = self.project_bottom(torch.cat([features, enlarged], 1))
        return encoded


def _side_by_side(top: Tensor, bottom: Tensor) -> Tensor:
    """Two (N, D, side, side) maps as (N, 2D · side²)."""
    return torch.cat([top, bottom], 1).flatten(1)
