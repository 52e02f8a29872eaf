"""Marginals: m(z)."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from rdbench.models.distributions.flow import masked_autoregressive, shifts
from rdbench.models.distributions.mixture import mixture
from rdbench.models.flows import alternating_mades
from rdbench.models.size import Size


class GaussianMarginal(nn.Module):
    """m(z) = N(0, I), fixed."""

    zero: Tensor

    def __init__(self, size: Size, encoder: nn.Module) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(size.latent_dim), persistent=False)

    def forward(self) -> Distribution:
        return Independent(Normal(self.zero, torch.ones_like(self.zero), validate_args=False), 1)


class MAFMarginal(nn.Module):
    """N(0, I) through 4 mean-only masked autoregressive steps."""

    def __init__(self, size: Size, encoder: nn.Module) -> None:
        super().__init__()
        self.gaussian = GaussianMarginal(size, encoder)
        self.networks = alternating_mades(size)
        self.steps = shifts(self.networks)

    def forward(self) -> Distribution:
        return masked_autoregressive(self.gaussian(), self.steps)


class VampMarginal(nn.Module):
    """m(z) = Σᵢ wᵢ e(z|φᵢ), with N learned pseudo-inputs φᵢ in [0, 1] and weights w = softmax.

    "VAE with a VampPrior" (Tomczak & Welling, 2018, https://arxiv.org/abs/1705.07120).
    """

    def __init__(self, size: Size, encoder: nn.Module) -> None:
        super().__init__()
        self.pseudo_inputs = nn.Parameter(torch.randn(size.pseudo_inputs, size.image_side, size.image_side))
        self.weights = nn.Parameter(torch.zeros(size.pseudo_inputs))
        self._encoder = (encoder,)  # in a tuple, so that its parameters do not count as this module's

    def forward(self) -> Distribution:
        (encoder,) = self._encoder
        return mixture(self.weights, encoder(self.pseudo_inputs.sigmoid()))
