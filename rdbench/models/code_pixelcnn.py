"""A marginal over grids of codes: convolutions that see the codes before each."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from rdbench.models.distributions.codes import Indices
from rdbench.models.distributions.discrete import AutoregressiveLatents
from rdbench.models.nn.gated import keep_variance
from rdbench.models.nn.pixelcnn import RESIDUAL_GAIN, StreamPair, TwoStreams
from rdbench.models.quantised import CodeEncoder
from rdbench.models.size import Size

FEATURES = 64
LAYERS = 4
"""Residual layers of both streams. Each sees two more rows and columns, so all of 7 × 7 places is seen."""

EMBEDDED = 16
"""Numbers for each code at the input."""


class CodePixelCNNMarginal(nn.Module):
    """m(z) = Πᵢ m(zᵢ | z before i): each grid in raster order, given all of the grid before it.

    A prior as in "Neural discrete representation learning" (van den Oord et al., 2017,
    https://arxiv.org/abs/1711.00937), with the layers of the pixelcnn decoder at one resolution.
    """

    like: Tensor

    def __init__(self, size: Size, encoder: CodeEncoder) -> None:
        super().__init__()
        _, codes = encoder.logits_shape
        self.network = CodeLogits(encoder.levels, codes, size.channels(FEATURES))
        self.register_buffer("like", torch.zeros(sum(encoder.levels), dtype=torch.int64), persistent=False)

    def forward(self) -> Distribution:
        return AutoregressiveLatents(self.network, Indices, self.like, each=1)


class CodeLogits(nn.Module):
    """(..., n) codes to (..., n, K) logits, grid by grid; ``levels`` has the number of places of each square grid."""

    def __init__(self, levels: tuple[int, ...], codes: int, features: int) -> None:
        super().__init__()
        self.levels, self.codes = levels, codes
        self.sides = [math.isqrt(places) for places in levels]
        self.embedding = nn.Embedding(len(levels) * codes, EMBEDDED)  # each level has codes of its own
        self.grids = nn.ModuleList(
            GridLogits(side, before, codes, features)
            for side, before in zip(self.sides, [None, *self.sides[:-1]], strict=True)
        )

    def forward(self, z: Tensor) -> Tensor:
        logits, before = [], None
        for level, found in enumerate(z.reshape(-1, z.shape[-1]).split(self.levels, -1)):
            embedded = self.embedding(found + level * self.codes)
            maps = embedded.unflatten(1, (self.sides[level], -1)).permute(0, 3, 1, 2)  # channels last in memory
            logits.append(self.grids[level](maps, before))
            before = maps
        return torch.cat(logits, 1).float().reshape(*z.shape, self.codes)


class GridLogits(TwoStreams):
    """Logits of the codes of one grid, each given those before it, and given all of the grid ``before`` if any.

    (N, EMBEDDED, side, side) embedded codes, and those of the grid before, to (N, side², K).
    """

    all_before: nn.Linear

    def __init__(self, side: int, before: int | None, codes: int, features: int) -> None:
        super().__init__(2 * EMBEDDED, features)
        self.places = nn.Parameter(torch.randn(1, EMBEDDED, side, side))
        if before is not None:
            self.all_before = nn.Linear(EMBEDDED * before**2, EMBEDDED * side**2)
        self.layers = nn.ModuleList(StreamPair(features, shortcuts=False) for _ in range(LAYERS))
        self.logits = keep_variance(nn.Conv2d(features, codes, 1), RESIDUAL_GAIN)

    def forward(self, maps: Tensor, before: Tensor | None) -> Tensor:
        context = self.places.expand_as(maps)
        if before is not None:
            context = context + self.all_before(before.flatten(1)).view_as(maps)
        above = torch.cat([F.pad(maps, (0, 0, 1, -1)), context], 1)  # the codes one row down
        left = torch.cat([F.pad(maps, (1, -1)), context], 1)  # the codes one column right
        streams = self.begin(above, left)
        for layer in self.layers:
            streams = layer(streams, None)
        logits: Tensor = self.logits(streams[1])
        return logits.flatten(2).transpose(1, 2)
