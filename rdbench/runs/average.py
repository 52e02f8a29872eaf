"""An average of the weights over the steps of training."""

import copy

import torch
from torch import Tensor

from rdbench.models import VAE


class Average:
    """An exponential moving average of a model's weights; ``model`` is a copy of it with the averaged weights.

    After n steps θ̄ ← θ̄ + (1 − d)(θ − θ̄) with d = min(``decay``, (1 + n) / (10 + n)), from θ̄ = θ before the first step.
    The second term is the warm start of TensorFlow's ``ExponentialMovingAverage``, with which the average soon forgets
    the initial weights. Buffers of floats are averaged like weights, all others copied. "Acceleration of stochastic
    approximation by averaging" (Polyak & Juditsky, 1992, https://doi.org/10.1137/0330046).
    """

    def __init__(self, model: VAE, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay
        both = zip(self.model.state_dict().values(), model.state_dict().values(), strict=True)
        pairs = list({value.data_ptr(): (average, value) for average, value in both}.values())  # shared tensors once
        self.steps = torch.zeros((), device=pairs[0][1].device)
        self.averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self.copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, skip: Tensor) -> None:
        """Average in the weights after a step; change nothing if ``skip`` is 1 rather than 0."""
        taken = 1 - skip
        self.steps += taken
        part = taken * (9 / (10 + self.steps)).clamp(min=1 - self.decay)
        averages, weights = map(list, zip(*self.averaged, strict=True))
        differences = torch._foreach_sub(weights, averages)
        torch._foreach_mul_(differences, part)
        torch._foreach_add_(averages, differences)
        for average, value in self.copied:
            average.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """The state of the average, by name."""
        return {"steps": self.steps, **{f"model.{name}": value for name, value in self.model.state_dict().items()}}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state that ``tensors`` gave.

        Raises:
            KeyError, RuntimeError: it belongs to another model.
        """
        self.steps.copy_(tensors["steps"].reshape(()))
        start = "model."
        self.model.load_state_dict(
            {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        )
