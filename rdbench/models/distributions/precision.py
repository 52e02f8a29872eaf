"""A distribution whose layers compute in float32, also under autocast."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


class InFloat32(Distribution):
    """The distribution ``inner``, sampled and scored outside autocast: its log-densities are summed in float32."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True

    def __init__(self, inner: Distribution) -> None:
        self.inner = inner
        super().__init__(inner.batch_shape, inner.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        with torch.autocast(value.device.type, enabled=False):
            log_density: Tensor = self.inner.log_prob(value.float())
            return log_density

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            drawn: Tensor = self.inner.rsample(torch.Size(sample_shape))
            return drawn

    def expand(self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: None = None) -> "InFloat32":
        """The same over a larger batch."""
        return InFloat32(self.inner.expand(torch.Size(batch_shape)))
