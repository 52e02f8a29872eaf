"""MADE: a network whose output i sees only the inputs that come before i."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedLinear(nn.Linear):
    """A dense layer whose weights are multiplied by a fixed (outputs, inputs) mask of zeros and ones."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        outputs, inputs = mask.shape
        super().__init__(inputs, outputs)
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Sequential):
    """Masked autoregressive network, (..., dimensions) to (..., dimensions).

    Output i depends on inputs 0 … i−1 only, or with ``backward`` on inputs i+1 … only. Each dimension has ``each``
    inputs and outputs, side by side. "MADE: masked autoencoder for distribution estimation"
    (Germain et al., 2015, https://arxiv.org/abs/1502.03509); 64 dimensions, three hidden layers of 640 ReLU units:
    903,104 parameters.
    """

    def __init__(
        self, dimensions: int, hidden: int = 640, depth: int = 3, *, each: int = 1, backward: bool = False
    ) -> None:
        inputs = torch.arange(dimensions).repeat_interleave(each)
        if backward:
            inputs = inputs.flip(0)
        # a unit of degree d sees the inputs of degree ≤ d; no output sees the last input, and all others are seen
        units = torch.linspace(0, max(dimensions - 2, 0), hidden).round()
        layers: list[nn.Module] = [MaskedLinear(units[:, None] >= inputs)]
        for _ in range(depth - 1):
            layers += [nn.ReLU(), MaskedLinear(units[:, None] >= units)]
        super().__init__(*layers, nn.ReLU(), MaskedLinear(inputs[:, None] > units))
