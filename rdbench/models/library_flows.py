"""Flows of the zuko library as marginals and encoders, at about the size of the paper's maf (3.6 M parameters)."""

from collections.abc import Callable
from typing import Any

import torch
import zuko
from torch import Tensor, nn
from torch.distributions import Distribution

from rdbench.errors import UserError
from rdbench.models.distributions.precision import InFloat32
from rdbench.models.encoders import GaussianEncoder
from rdbench.models.size import Size

STEPS = 4
MOST_DIMENSIONS = 10_000
HIDDEN = 640
SPLINE_HIDDEN = 384
"""Splines have narrower networks, since they need 23 numbers a dimension where an affine step needs 2."""


class _FlowMarginal(nn.Module):
    """log m(z) = log N(f(z)) + log |det ∂f/∂z|, with f a flow; z of (..., latent_dim)."""

    def __init__(self, flow: zuko.lazy.Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self) -> Distribution:
        return InFloat32(self.flow())


class RealNVPMarginal(_FlowMarginal):
    """4 affine coupling layers: half of z shifts and scales the other half.

    "Density estimation using Real NVP" (Dinh et al., 2017, https://arxiv.org/abs/1605.08803).
    """

    graphable = False  # zuko looks up the halves on the device in each pass, and waits for the result

    def __init__(self, size: Size, encoder: nn.Module) -> None:
        super().__init__(_made(zuko.flows.RealNVP, size, HIDDEN))


class AffineMAFMarginal(_FlowMarginal):
    """4 masked autoregressive steps that shift and scale.

    "Masked autoregressive flow for density estimation" (Papamakarios et al., 2017, https://arxiv.org/abs/1705.07057).
    """

    def __init__(self, size: Size, encoder: nn.Module) -> None:
        super().__init__(_made(zuko.flows.MAF, size, HIDDEN))


class SplineMarginal(_FlowMarginal):
    """4 masked autoregressive steps of monotonic rational-quadratic splines with 8 bins on [−5, 5].

    "Neural spline flows" (Durkan et al., 2019, https://arxiv.org/abs/1906.04032).
    """

    def __init__(self, size: Size, encoder: nn.Module) -> None:
        super().__init__(_made(zuko.flows.NSF, size, SPLINE_HIDDEN, bins=8))


class RealNVPEncoder(nn.Module):
    """A gaussian encoder and 4 affine coupling layers without input from x; sampling and scoring take one pass each."""

    graphable = False  # for the same reason as the marginal

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.gaussian = GaussianEncoder(size)
        self.flow = _made(zuko.flows.RealNVP, size, HIDDEN)

    def forward(self, images: Tensor) -> Distribution:
        return InFloat32(zuko.distributions.NormalizingFlow(self.flow.transform(), self.gaussian(images)))


def _made(flow: Callable[..., zuko.lazy.Flow], size: Size, hidden: int, **settings: Any) -> zuko.lazy.Flow:
    """A flow of 4 steps over z, on the default device; built on the CPU, since zuko reads its masks as it makes them.

    Raises:
        UserError: z has more than 10,000 dimensions, and the masks would be too large.
    """
    if size.latent_dim > MOST_DIMENSIONS:
        raise UserError(f"latent_dim: found {size.latent_dim}; flows take at most {MOST_DIMENSIONS}; ask for fewer")
    device = torch.get_default_device()
    with torch.device("cpu"):
        made = flow(size.latent_dim, transforms=STEPS, hidden_features=[size.channels(hidden)] * 3, **settings)
    return made.to(device)
