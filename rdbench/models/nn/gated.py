"""Linearly gated layers, h(x) = (W₁x + b₁) · σ(W₂x + b₂), with the padding of TensorFlow.

W₁ and W₂ share one tensor, so that a layer is one convolution followed by ``glu``.
"Language modeling with gated convolutional networks" (Dauphin et al., 2017, https://arxiv.org/abs/1612.08083).
"""

import math
from functools import cache
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)

GATE_GAIN = 1.7
"""Keeps the variance through a gate: with a, b ~ N(0, g²), a·σ(b) has variance 1 for g ≈ 1.7."""

VECTORISED_BYTES = 128
"""The bytes that torch's CPU loops take at once; they compute the remainder of a row number by number."""


class GatedLinear(nn.Module):
    """A gated dense layer, (..., inputs) to (..., outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = keep_variance(nn.Linear(inputs, 2 * outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.linear(x), -1)


class GatedConv(nn.Module):
    """A gated convolution, (N, inputs, H, W) to (N, outputs, H', W'); ``padding`` is "same" or "valid"."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: str = "same") -> None:
        super().__init__()
        self.conv = keep_variance(nn.Conv2d(inputs, 2 * outputs, kernel, stride))
        self.pad = padding == "same"

    def forward(self, x: Tensor) -> Tensor:
        if self.pad:
            (kernel, _), (stride, _) = self.conv.kernel_size, self.conv.stride
            (top, bottom), (left, right) = (same_padding(size, kernel, stride) for size in x.shape[-2:])
            x = F.pad(x, (left, right, top, bottom))
        return gate(self.conv(x))


class GatedDeconv(nn.Module):
    """A gated transposed convolution that undoes "valid": (N, inputs, H, W) to (N, outputs, H + kernel − 1, …)."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = keep_variance(nn.ConvTranspose2d(inputs, 2 * outputs, kernel))

    def forward(self, x: Tensor) -> Tensor:
        return gate(self.conv(x))


class GatedUpsampling(nn.Module):
    """A gated transposed convolution that undoes "same": (N, inputs, H, W) to (N, outputs, stride · H, stride · W)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv: nn.Conv2d | nn.ConvTranspose2d
        if stride == 1:  # a convolution whose kernel is turned by 180°: the same maps, and faster on a CPU
            self.conv = keep_variance(nn.Conv2d(inputs, 2 * outputs, kernel))
        else:
            self.conv = keep_variance(nn.ConvTranspose2d(inputs, 2 * outputs, kernel, stride))

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.conv.kernel_size, self.conv.stride
        height, width = (stride * size for size in x.shape[-2:])
        (top, bottom), (left, right) = (same_padding(size, kernel, stride) for size in (height, width))
        if stride == 1:
            room = kernel - 1
            return gate(self.conv(F.pad(x, (room - left, room - right, room - top, room - bottom))))
        return gate(transposed(x, self.conv.weight, self.conv.bias, stride, (top, left)))


def gate(maps: Tensor) -> Tensor:
    """``glu`` over the channels of (N, 2C, H, W) maps; keeps their layout in memory."""
    if not maps.is_contiguous(memory_format=torch.channels_last):
        return F.glu(maps, 1)
    turned = maps.permute(0, 2, 3, 1)
    if maps.device.type == "cpu" and maps.shape[1] // 2 * maps.element_size() % VECTORISED_BYTES:
        return _NarrowGate.apply(turned).permute(0, 3, 1, 2)
    return F.glu(turned, -1).permute(0, 3, 1, 2)


class _NarrowGate(torch.autograd.Function):
    """``glu`` over the last dimension for few channels: it copies the gates to one block, so that σ is vectorised.

    For the gradient it saves y = v · σ(g) and σ(g), since ∂y/∂g = y (1 − σ(g)); saving v would keep all of the input.
    """

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        values, gates = both.chunk(2, -1)
        opened = gates.clone(memory_format=torch.contiguous_format).sigmoid_()
        gated = values * opened
        ctx.save_for_backward(gated, opened)
        return gated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gated, opened = ctx.saved_tensors
        of_opening = gradient * gated
        return torch.cat([gradient * opened, of_opening.addcmul(of_opening, opened, value=-1)], -1)


def transposed(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, crop: tuple[int, int]) -> Tensor:
    """A transposed convolution of square ``stride`` s that skips ``crop`` rows and columns: (N, C, H, W) to (N, C′, sH,
    sW).

    The kernel is no narrower than the stride. On a CPU it is computed in phases, since torch's own is slow in bfloat16.
    """
    made = in_phases if x.device.type == "cpu" else by_padding
    return made(x, weight, bias, stride, crop)


def by_padding(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, crop: tuple[int, int]) -> Tensor:
    """``transposed`` by torch's own function, which crops as much at the end as at the beginning.

    Zeros around the kernel make up for that. Slicing the maps instead would give a gradient that is not channels last.
    """
    before, after, padding = zip(*map(_even_crop, weight.shape[-2:], (stride, stride), crop), strict=True)
    kernel = F.pad(weight, (before[1], after[1], before[0], after[0]))
    return F.conv_transpose2d(x, kernel, bias, stride, padding)


def _even_crop(size: int, stride: int, crop: int) -> tuple[int, int, int]:
    """Zeros to put before and after a kernel's taps, and the padding that then crops both ends.

    >>> _even_crop(5, 2, 1)
    (1, 0, 2)
    """
    at_end = size - stride - crop
    padding = max(crop, at_end)
    return padding - crop, padding - at_end, padding


def in_phases(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, crop: tuple[int, int]) -> Tensor:
    """``transposed`` by a plain convolution.

    Output pixel s·m + a sees the x around m through every s-th tap of the kernel. So each phase a is a plain
    convolution; one convolution computes all phases, whose maps are then interleaved.
    """
    reach, taps = zip(
        *(_phases(size, stride, cut) for size, cut in zip(weight.shape[-2:], crop, strict=True)), strict=True
    )
    rows, columns = (torch.tensor(index, device=x.device) for index in taps)
    padded = F.pad(weight, (0, 1, 0, 1))  # the tap after the last is 0
    kernel = padded[:, :, rows][..., columns].permute(2, 4, 1, 0, 3, 5)  # row, column, outputs, inputs, rows, columns
    every = None if bias is None else bias.repeat(stride**2)
    phases = F.conv2d(x, kernel.flatten(0, 2), every, padding=reach)
    apart = phases.permute(0, 2, 3, 1).unflatten(-1, (stride, stride, -1))  # (N, H, W, row phase, column phase, C′)
    return apart.transpose(2, 3).flatten(1, 2).flatten(2, 3).permute(0, 3, 1, 2)


@cache
def _phases(size: int, stride: int, crop: int) -> tuple[int, list[list[int]]]:
    """The reach in x, and for each phase a the tap on each x within reach, ``size`` where there is none.

    y[s·m + a] = Σ x[m + o] w[a + crop − s·o] over o.

    >>> _phases(5, 2, 1)
    (1, [[3, 1, 5], [4, 2, 0]])
    """
    reach = max((size - 1 - crop) // stride, (stride - 1 + crop) // stride)
    wanted = [[phase + crop - stride * offset for offset in range(-reach, reach + 1)] for phase in range(stride)]
    return reach, [[tap if 0 <= tap < size else size for tap in taps] for taps in wanted]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """The padding of TensorFlow's "same" before and after ``size`` values, the odd one after.

    >>> same_padding(28, kernel=5, stride=1), same_padding(28, kernel=5, stride=2), same_padding(28, kernel=4, stride=1)
    ((2, 2), (1, 2), (1, 2))
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def keep_variance(layer: Layer, gain: float = GATE_GAIN) -> Layer:
    """Draw the weights of a layer before a gate so that the signal keeps its variance; biases start at 0."""
    taps = layer.weight[0, 0].numel() if layer.weight.ndim == 4 else 1
    inputs = layer.weight.shape[1]
    if isinstance(layer, nn.ConvTranspose2d):  # its weight is (inputs, outputs, …), and a stride thins its taps
        inputs = layer.weight.shape[0]
        taps = max(taps // (layer.stride[0] * layer.stride[1]), 1)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(inputs * taps))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
