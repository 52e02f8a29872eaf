"""The toy's model: discrete latents, and terms that are exact sums."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rdbench.models.terms import Terms

DEVIATION = 0.1
"""Standard deviation of the initial parameters."""


class DiscreteVAE(nn.Module):
    """K latents for K values; one model for each seed, all trained at once.

    e(zᵢ|xⱼ) ∝ exp −(wᵢ xⱼ − bᵢ)², normalised over i; d(xⱼ|zᵢ) ∝ exp −(wⱼ zᵢ − bⱼ)², normalised over j; m(z) a softmax;
    xⱼ and zᵢ are equally spaced positions in [−1, 1]. Each output has parameters of its own, so z can keep all of x or
    none. Section 4 of "Fixing a broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464).
    """

    positions: Tensor
    density: Tensor

    def __init__(self, density: Tensor, seeds: Sequence[int]) -> None:
        super().__init__()
        values = len(density)
        drawn = torch.stack([_drawn(seed, values) for seed in seeds], 1)
        self.register_buffer("density", density, persistent=False)
        self.register_buffer("positions", torch.linspace(-1, 1, values, dtype=density.dtype), persistent=False)
        self.encoder = nn.Parameter(drawn[0:2].clone())  # w and b, each (seeds, K)
        self.decoder = nn.Parameter(drawn[2:4].clone())
        self.marginal = nn.Parameter(drawn[4].clone())

    def log_tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """log e(z|x), (seeds, x, z); log d(x|z), (seeds, z, x); log m(z), (seeds, z)."""
        return self._conditional(self.encoder), self._conditional(self.decoder), self.marginal.log_softmax(-1)

    def forward(self) -> Terms:
        """The expected terms under p*(x) e(z|x), (seeds, 1, 1)."""
        log_encoder, log_decoder, log_marginal = self.log_tables()
        joint = self.density[:, None] * log_encoder.exp()
        terms = (log_encoder, log_decoder.mT, log_marginal.unsqueeze(1))
        return Terms(*((joint * term).sum((-2, -1), keepdim=True) for term in terms))

    def _conditional(self, parameters: Tensor) -> Tensor:
        """Log-probabilities of each output given each input, (seeds, given, output)."""
        slope, offset = parameters.unsqueeze(-2)
        return (-(slope * self.positions[:, None] - offset).square()).log_softmax(-1)


def _drawn(seed: int, values: int) -> Tensor:
    """(5, K): slopes and offsets of the encoder, of the decoder, and the logits of the marginal."""
    generator = torch.Generator().manual_seed(seed)
    return DEVIATION * torch.randn(5, values, generator=generator, dtype=torch.float64)
