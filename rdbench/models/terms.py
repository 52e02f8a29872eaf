"""The log-densities of a model for a batch."""

from typing import NamedTuple

import torch
from torch import Tensor


class Terms(NamedTuple):
    """Log-densities at sampled z, each (..., samples, batch) nats; any leading dimension is over models.

    ``penalty``, None where a model has none, is added to the loss; it is part of neither R nor D.
    """

    log_encoder: Tensor
    log_decoder: Tensor
    log_marginal: Tensor
    penalty: Tensor | None = None

    @property
    def rate(self) -> Tensor:
        """log e(z|x) − log m(z), whose mean over z is R."""
        return self.log_encoder - self.log_marginal

    @property
    def distortion(self) -> Tensor:
        """−log d(x|z), whose mean over z is D."""
        return -self.log_decoder

    @property
    def mean_rate(self) -> Tensor:
        """R over samples and examples."""
        return self.rate.mean((-2, -1))

    @property
    def mean_distortion(self) -> Tensor:
        """D over samples and examples."""
        return self.distortion.mean((-2, -1))

    @property
    def mean_penalty(self) -> Tensor:
        """The penalty over samples and examples, 0 where there is none."""
        return torch.zeros_like(self.mean_distortion) if self.penalty is None else self.penalty.mean((-2, -1))
