"""PixelCNN++ one pixel after another: computes every feature of both streams, at every resolution, once.

The down stream never sees the row that is being drawn, so it advances by whole rows. The down-right stream advances by
pixels; what the row above adds to its convolutions is computed for a whole row at once. A row or pixel at half the
resolution is computed with the upper left one of those it covers. A layer remembers the last row of its input.

Rows are (N, C, 1, W), pixels (N, C).
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rdbench.models.nn.pixelcnn import CausalConv, GatedResidual, Grow, PixelCNN, Shrink, StreamPair


class IncrementalPixelCNN:
    """The logits of ``network(images, context)`` for each pixel in turn, from the pixels before it.

    ``context`` is (N, H, W). Call ``next_logits`` and ``append`` in turn, H · W times.
    """

    @torch.no_grad()
    def __init__(self, network: PixelCNN, context: Tensor) -> None:
        count, _, self.width = context.shape
        self.seen = 0
        self.network = network
        self.context = F.pad(context, (0, 0, 1, 0))
        self.signs = torch.zeros_like(F.pad(context, (1, 0, 2, 0)))  # 0, as padding is, where no pixel is known yet
        self.sign_weight = network.left_input.conv.weight[:, 0, 1].T
        self.resolution = Resolution(network, 0, count, self.width)
        self.from_rows: Tensor  # of the row that has begun

    @torch.no_grad()
    def next_logits(self) -> Tensor:
        """(N,) logits of the next pixel."""
        row, column = divmod(self.seen, self.width)
        if column == 0:
            self._begin_row(row)
        left_sign = self.signs[:, row + 2, column, None]
        right = F.glu(torch.addmm(self.from_rows[:, :, 0, column], left_sign, self.sign_weight), 1)
        right = self.resolution.pixel(row, column, right)
        return F.linear(right, self.network.logits.weight.flatten(1), self.network.logits.bias).squeeze(1)

    @torch.no_grad()
    def append(self, pixels: Tensor) -> None:
        """Take the (N,) values, zeros and ones, of the pixel that ``next_logits`` was for."""
        row, column = divmod(self.seen, self.width)
        self.signs[:, row + 2, column + 1] = 2 * pixels - 1
        self.seen += 1

    def _begin_row(self, row: int) -> None:
        """Compute the down stream, and the part of the down-right stream that needs no pixel of this row."""
        context = self.context[:, row : row + 2]
        above = F.pad(torch.stack([self.signs[:, row : row + 2, 1:], context], 1), (1, 1))
        left = torch.stack([self.signs[:, row + 1 : row + 3, :-1], context], 1)
        network = self.network
        self.from_rows = network.above_input.conv(above[:, :, 1:]) + network.left_input.conv(left)
        self.resolution.row(row, F.glu(network.down_input.conv(above), 1))


class Resolution:
    """The layers of both streams at H / 2ᵈᵉᵖᵗʰ, and at all lower resolutions."""

    def __init__(self, network: PixelCNN, depth: int, count: int, width: int) -> None:
        descent, ascent = cast(Sequence[StreamPair], network.descent), cast(Sequence[StreamPair], network.ascent)
        first, last = 2 * depth, len(ascent) - 2 * depth
        self.descent = [PairSteps(layer, count, width) for layer in descent[first : first + 2]]
        self.ascent = [PairSteps(layer, count, width) for layer in ascent[last - 2 : last]]
        self.below = Below(network, depth, count, width) if depth < len(network.shrink) else None

    def row(self, row: int, down: Tensor) -> Tensor:
        """Compute a row of the down stream; that begins the same row of the down-right stream."""
        passed = []
        for layer in self.descent:
            down = layer.row(down)
            passed.append(down)
        if self.below is not None:
            down = self.below.row(row, down)
        for layer in self.ascent:
            down = layer.row(down, passed.pop())
        return down

    def pixel(self, row: int, column: int, right: Tensor) -> Tensor:
        """A pixel of the down-right stream."""
        passed = []
        for layer in self.descent:
            right = layer.pixel(column, right)
            passed.append(right)
        if self.below is not None:
            right = self.below.pixel(row, column, right)
        for layer in self.ascent:
            right = layer.pixel(column, right, passed.pop())
        return right


class Below:
    """The way to half the resolution and back, which every other row and every other pixel take."""

    def __init__(self, network: PixelCNN, depth: int, count: int, width: int) -> None:
        shrink = cast(Shrink, network.shrink[depth])
        self.shrink_down, self.shrink_right = RowConv(shrink.down, count, width), PixelConv(shrink.right, count, width)
        self.resolution = Resolution(network, depth + 1, count, width // 2)
        self.grow = cast(Grow, network.grow[len(network.grow) - 1 - depth])
        weight = self.grow.right.weight
        self.right = weight.new_zeros(count, weight.shape[0], 2, width)  # the two rows that one row grows into
        self.down: Tensor  # the same for the down stream

    def row(self, row: int, down: Tensor) -> Tensor:
        """A row of the down stream, there and back."""
        self.shrink_down.remember(down)
        if row % 2 == 0:
            self.shrink_right.begin_row()
            half = self.resolution.row(row // 2, F.glu(self.shrink_down.output(), 1))
            self.down = F.glu(self.grow.down(half), 1)
        return self.down[:, :, row % 2, None]

    def pixel(self, row: int, column: int, right: Tensor) -> Tensor:
        """A pixel of the down-right stream, there and back."""
        self.shrink_right.remember(column, right)
        if row % 2 == 0 and column % 2 == 0:
            shrunk = F.glu(self.shrink_right.output(column), 1)
            half = self.resolution.pixel(row // 2, column // 2, shrunk)
            self.right[..., column : column + 2] = F.glu(self.grow.right(half[..., None, None]), 1)
        return self.right[:, :, row % 2, column]


class PairSteps:
    """A ``StreamPair``: its down stream by rows, its down-right stream by pixels."""

    def __init__(self, layer: StreamPair, count: int, width: int) -> None:
        self.down, self.right = RowResidual(layer.down, count, width), PixelResidual(layer.right, count, width)

    def row(self, down: Tensor, shortcut: Tensor | None = None) -> Tensor:
        down = self.down(down, shortcut)
        self.right.begin_row(down)
        return down

    def pixel(self, column: int, right: Tensor, shortcut: Tensor | None = None) -> Tensor:
        return self.right(column, right, shortcut)


class RowResidual:
    """A ``GatedResidual`` of the down stream, by rows."""

    def __init__(self, layer: GatedResidual, count: int, width: int) -> None:
        self.first, self.second = RowConv(layer.first, count, width), RowConv(layer.second, count, width)
        self.skip = layer.skip

    def __call__(self, x: Tensor, shortcut: Tensor | None) -> Tensor:
        self.first.remember(x)
        hidden = self.first.output()
        if self.skip is not None:
            hidden = hidden + self.skip(shortcut)
        self.second.remember(F.glu(hidden, 1))
        return x + F.glu(self.second.output(), 1)


class PixelResidual:
    """A ``GatedResidual`` of the down-right stream, by pixels; its input from the down stream comes by rows."""

    def __init__(self, layer: GatedResidual, count: int, width: int) -> None:
        self.first, self.second = PixelConv(layer.first, count, width), PixelConv(layer.second, count, width)
        skip, features = cast(nn.Conv2d, layer.skip), layer.first.conv.weight.shape[1]
        self.down_weight, self.down_bias = skip.weight[:, :features], skip.bias
        self.shortcut_weight = skip.weight[:, features:, 0, 0].T.contiguous()

    def begin_row(self, down: Tensor) -> None:
        self.first.begin_row()
        self.first.from_above += F.conv2d(down, self.down_weight, self.down_bias)
        self.second.begin_row()

    def __call__(self, column: int, x: Tensor, shortcut: Tensor | None) -> Tensor:
        self.first.remember(column, x)
        hidden = self.first.output(column)
        if shortcut is not None:
            hidden.addmm_(shortcut, self.shortcut_weight)
        self.second.remember(column, F.glu(hidden, 1))
        return x + F.glu(self.second.output(column), 1)


class RowConv:
    """A ``CausalConv`` of the down stream, over its last two input rows."""

    def __init__(self, layer: CausalConv, count: int, width: int) -> None:
        self.conv = layer.conv
        self.rows = layer.conv.weight.new_zeros(count, layer.conv.weight.shape[1], 2, width + 2)

    def remember(self, row: Tensor) -> None:
        self.rows[:, :, 0] = self.rows[:, :, 1]
        self.rows[:, :, 1:, 1:-1] = row

    def output(self) -> Tensor:
        return self.conv(self.rows)


class PixelConv:
    """A ``CausalConv`` of the down-right stream, over its last two input pixels and the two above them."""

    def __init__(self, layer: CausalConv, count: int, width: int) -> None:
        weight, self.bias, self.stride = layer.conv.weight, layer.conv.bias, layer.conv.stride
        outputs, inputs = weight.shape[:2]
        self.above_weight = weight[:, :, :1]
        self.weight = weight[:, :, 1].permute(2, 1, 0).reshape(2 * inputs, outputs)
        self.row = weight.new_zeros(count, width + 1, inputs)  # channels last: two neighbours are one slice
        self.from_above: Tensor  # of the row that has begun

    def begin_row(self) -> None:
        """Compute what the remembered row, now the one above, adds to all pixels of the new row."""
        above = self.row.transpose(1, 2).unsqueeze(2)
        self.from_above = F.conv2d(above, self.above_weight, self.bias, self.stride)

    def remember(self, column: int, pixel: Tensor) -> None:
        self.row[:, column + 1] = pixel

    def output(self, column: int) -> Tensor:
        seen = self.row[:, column : column + 2].flatten(1)
        return torch.addmm(self.from_above[:, :, 0, column // self.stride[1]], seen, self.weight)
