"""Decoders: d(x|z)."""

from torch import Tensor, nn
from torch.distributions import Distribution

from rdbench.models.distributions.image import AutoregressivePixels, independent_pixels
from rdbench.models.nn.gated import GatedDeconv, GatedLinear, GatedUpsampling
from rdbench.models.nn.pixelcnn import PixelCNN
from rdbench.models.size import Size
from rdbench.models.trunk import last_side


class DeconvDecoder(nn.Module):
    """d(x|z) = Πᵢ Bernoulli(xᵢ | z); z of (..., latent_dim), on a grid if it has one, to images of (..., H, W)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        wide, narrow = size.channels(64), size.channels(32)
        side, stride = last_side(size, size.grid)
        channels = size.latent_dim // size.grid**2
        self.logits = nn.Sequential(
            nn.Unflatten(1, (channels, size.grid, size.grid)),
            GatedDeconv(channels, wide, side - size.grid + 1),
            GatedUpsampling(wide, wide, 5),
            GatedUpsampling(wide, wide, 5, stride=stride),
            GatedUpsampling(wide, narrow, 5),
            GatedUpsampling(narrow, narrow, 5, stride=2),
            GatedUpsampling(narrow, narrow, 4),
            nn.Conv2d(narrow, 1, 5, padding=2),
        )

    def forward(self, z: Tensor) -> Distribution:
        logits = self.logits(z.flatten(0, -2))
        return independent_pixels(logits.reshape(*z.shape[:-1], *logits.shape[-2:]))


class PixelCNNDecoder(nn.Module):
    """d(x|z) = Πᵢ Bernoulli(xᵢ | x before i, z); z of (..., latent_dim) to images of (..., H, W)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.side = size.image_side
        self.context = GatedLinear(size.latent_dim, self.side**2)
        self.network = PixelCNN(size.channels(64))

    def forward(self, z: Tensor) -> Distribution:
        context = self.context(z).reshape(*z.shape[:-1], self.side, self.side)
        return AutoregressivePixels(self.network, context)
