"""Gradients normalised tensor by tensor."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

SMALLEST_NORM = 1e-20


class UnitGradients:
    """Divides the gradient of each parameter tensor by its own norm, in place.

    To divide each tensor by a scalar takes a GPU one kernel per tensor. With ``spread`` the norms are copied into a
    buffer of the size of all gradients, which a few kernels then divide.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], spread: bool) -> None:
        self.parameters = list(parameters)
        self.spread = spread
        self.sizes: list[int] = []
        self.owners: Tensor  # for each element of the buffer, the index of its parameter tensor
        self.buffer: Tensor
        self.divisors: list[Tensor] = []  # views of the buffer, each with the shape and the layout of a gradient

    def __call__(self) -> Tensor:
        """The norms before the division, (number of gradients,)."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        torch._foreach_div_(gradients, self._divisors(norms.clamp_min(SMALLEST_NORM), gradients))
        return norms

    def _divisors(self, norms: Tensor, gradients: Sequence[Tensor]) -> tuple[Tensor, ...] | list[Tensor]:
        if not self.spread:
            return norms.unbind()
        sizes = [gradient.numel() for gradient in gradients]
        if sizes != self.sizes:
            self._lay_out(sizes, gradients)
        torch.index_select(norms, 0, self.owners, out=self.buffer)
        return self.divisors

    def _lay_out(self, sizes: list[int], gradients: Sequence[Tensor]) -> None:
        device = gradients[0].device
        self.sizes = sizes
        indices = torch.arange(len(sizes), dtype=torch.int32, device=device)
        self.owners = indices.repeat_interleave(torch.tensor(sizes).to(device), output_size=sum(sizes))
        self.buffer = torch.empty(sum(sizes), device=device)
        offsets = torch.tensor([0, *sizes]).cumsum(0).tolist()
        self.divisors = [
            self.buffer.as_strided(gradient.shape, gradient.stride(), offset)
            for gradient, offset in zip(gradients, offsets, strict=False)
        ]
