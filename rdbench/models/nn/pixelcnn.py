"""The two streams of PixelCNN++, linearly gated, over binary images and a map of context.

"PixelCNN++: improving the PixelCNN with discretized logistic mixture likelihood and other modifications" (Salimans et
al., 2017, https://arxiv.org/abs/1701.05517).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rdbench.models.nn.gated import GATE_GAIN, gate, keep_variance, transposed

RESIDUAL_GAIN = 0.1 * GATE_GAIN
"""Residual branches start small, so that twelve of them do not swell the signal."""

DOWN = (2, 3)
"""Kernel of the down stream: this row and the row above, one column to each side."""

RIGHT = (2, 2)
"""Kernel of the down-right stream: this pixel, the one to the left, and the two above them."""


class CausalConv(nn.Module):
    """A convolution that looks up and left, never down: (N, inputs, H, W) to (N, outputs, H / stride, W / stride).

    Only a kernel of odd width looks right, and then only as far as left.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, gain: float = GATE_GAIN
    ) -> None:
        super().__init__()
        self.conv = keep_variance(nn.Conv2d(inputs, outputs, kernel, stride), gain)
        height, width = kernel
        self.padding = (width // 2, (width - 1) // 2, height - 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, self.padding))


class GatedResidual(nn.Module):
    """x + glu(conv(glu(conv(x) + skip))), where ``skip`` is a 1×1 convolution of shortcuts or of the other stream."""

    def __init__(self, features: int, skipped: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.first = CausalConv(features, 2 * features, kernel)
        self.skip = keep_variance(nn.Conv2d(skipped, 2 * features, 1)) if skipped else None
        self.second = CausalConv(features, 2 * features, kernel, gain=RESIDUAL_GAIN)

    def forward(self, x: Tensor, skipped: Tensor | None = None) -> Tensor:
        hidden = self.first(x)
        if self.skip is not None:
            hidden = hidden + self.skip(skipped)
        return x + gate(self.second(gate(hidden)))


class StreamPair(nn.Module):
    """One residual layer of both streams; the down-right stream sees the down stream, never the reverse."""

    def __init__(self, features: int, shortcuts: bool) -> None:
        super().__init__()
        self.down = GatedResidual(features, features if shortcuts else 0, DOWN)
        self.right = GatedResidual(features, 2 * features if shortcuts else features, RIGHT)

    def forward(self, streams: tuple[Tensor, Tensor], shortcut: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        down, right = streams
        if shortcut is None:
            down = self.down(down)
            return down, self.right(right, down)
        down = self.down(down, shortcut[0])
        return down, self.right(right, torch.cat([down, shortcut[1]], 1))


class Shrink(nn.Module):
    """Both streams at half the resolution; a pixel sees nothing that its upper left parent did not."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.down = CausalConv(features, 2 * features, DOWN, stride=2)
        self.right = CausalConv(features, 2 * features, RIGHT, stride=2)

    def forward(self, streams: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        down, right = streams
        return gate(self.down(down)), gate(self.right(right))


class Grow(nn.Module):
    """Both streams at twice the resolution; each of four pixels sees what its parent saw."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.down = keep_variance(
            nn.ConvTranspose2d(features, 2 * features, DOWN, stride=2, padding=(0, 1), output_padding=(0, 1))
        )
        self.right = keep_variance(nn.ConvTranspose2d(features, 2 * features, RIGHT, stride=2))

    def forward(self, streams: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        down, right = streams
        down = transposed(down, self.down.weight, self.down.bias, 2, (0, 1))
        right = transposed(right, self.right.weight, self.right.bias, 2, (0, 0))
        return gate(down), gate(right)


class TwoStreams(nn.Module):
    """The start of both streams, from (N, inputs, H, W) maps of which neither shows a pixel to itself."""

    def __init__(self, inputs: int, features: int) -> None:
        super().__init__()
        self.down_input = CausalConv(inputs, 2 * features, DOWN)
        self.above_input = CausalConv(inputs, 2 * features, (1, 3))
        self.left_input = CausalConv(inputs, 2 * features, (2, 1))

    def begin(self, above: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        """The down and the down-right stream; values are one row down in ``above``, one column right in ``left``."""
        return gate(self.down_input(above)), gate(self.above_input(above) + self.left_input(left))


class PixelCNN(TwoStreams):
    """Bernoulli logits of every pixel given the pixels before it, in raster order, and a context.

    (N, H, W) images of zeros and ones and (N, H, W) contexts to (N, H, W) logits; H and W are multiples of 4. Blocks of
    two residual layers at H, H/2, H/4, H/4, H/2, H; the last three take shortcuts from the first three, mirrored.
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__(2, features)
        self.descent = nn.ModuleList(StreamPair(features, shortcuts=False) for _ in range(6))
        self.ascent = nn.ModuleList(StreamPair(features, shortcuts=True) for _ in range(6))
        self.shrink = nn.ModuleList(Shrink(features) for _ in range(2))
        self.grow = nn.ModuleList(Grow(features) for _ in range(2))
        self.logits = keep_variance(nn.Conv2d(features, 1, 1), RESIDUAL_GAIN)

    def forward(self, images: Tensor, context: Tensor) -> Tensor:
        signs = 2 * images - 1  # so that padding, which is 0, is neither ink nor paper
        above = _maps(F.pad(signs, (0, 0, 1, -1)), context)  # the image one row down
        left = _maps(F.pad(signs, (1, -1)), context)  # the image one column right
        streams, passed = self.begin(above, left), []
        for index, layer in enumerate(self.descent):
            if index in (2, 4):
                streams = self.shrink[index // 2 - 1](streams)
            streams = layer(streams, None)
            passed.append(streams)
        for index, layer in enumerate(self.ascent):
            if index in (2, 4):
                streams = self.grow[index // 2 - 1](streams)
            streams = layer(streams, passed.pop())
        return self.logits(streams[1]).squeeze(1)


def _maps(signs: Tensor, context: Tensor) -> Tensor:
    """Two (N, H, W) as (N, 2, H, W), channels last in memory as all later maps are."""
    return torch.stack([signs, context], -1).permute(0, 3, 1, 2)
