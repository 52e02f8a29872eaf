"""Encoders: e(z|x)."""

import math

import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from rdbench.models.distributions.flow import inverse_autoregressive, shifts
from rdbench.models.estimators import make_estimator
from rdbench.models.flows import alternating_mades
from rdbench.models.size import Size
from rdbench.models.trunk import trunk

SMALLEST_VARIANCE = 1e-6
"""Keeps log e(z|x) finite where softplus underflows; far below any useful variance."""


class GaussianEncoder(nn.Module):
    """e(z|x) = N(μ(x), diag σ²(x)), σ² = softplus; (..., H, W) images of zeros and ones to z of ``latent_dim``."""

    def __init__(self, size: Size, gradient: str = "pathwise", gradient_samples: int = 4) -> None:
        super().__init__()
        self.features, wide = trunk(size)
        self.mean = nn.Linear(wide, size.latent_dim)
        self.variance = nn.Linear(wide, size.latent_dim)
        nn.init.constant_(self.variance.bias, math.log(math.e - 1))  # softplus gives 1, the variance of N(0, I)
        self.estimator = make_estimator(gradient, gradient_samples)

    def forward(self, images: Tensor) -> Distribution:
        features = self.features((2 * images - 1).unsqueeze(1))
        variance = F.softplus(self.variance(features).float()) + SMALLEST_VARIANCE
        return Independent(Normal(self.mean(features).float(), variance.sqrt(), validate_args=False), 1)


class IAFEncoder(nn.Module):
    """A gaussian encoder followed by 4 mean-only inverse autoregressive steps, which take no input from x.

    The steps cache their last sample. So log e(z|x) of a fresh z needs no inverse, nor does a marginal that shares the
    flow.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.gaussian = GaussianEncoder(size)
        self.networks = alternating_mades(size)
        self.steps = shifts(self.networks, cache_size=1)

    def forget(self) -> None:
        """Release the cached sample."""
        for step in self.steps:
            step.forget()

    def forward(self, images: Tensor) -> Distribution:
        return inverse_autoregressive(self.gaussian(images), self.steps)
