"""A bound of log p(x) for encoders of codes, by a softened choice of codes.

IWAE-k with the encoder itself says nothing of log p(x): it draws the same z each time, so all its weights are alike,
and it is the ELBO for every k. Draws of other codes give a bound that rises with k.
"""

from torch import Tensor, nn
from torch.distributions import Distribution

from rdbench.models.quantised import CodeEncoder


class SoftenedEncoder(nn.Module):
    """e_τ(z|x) ∝ Π exp(−‖zₑ − e‖²/τ) over all codes, in place of an encoder that takes the nearest.

    Its weights w = d(x|z) m(z) / e_τ(z|x) have the mean p(x), so E log 1/k Σ w ≤ log p(x). As τ → 0 each draw is the
    nearest codes, and log w is −(R + D) of the encoder that it stands for.
    """

    def __init__(self, encoder: CodeEncoder, tau: float) -> None:
        super().__init__()
        self.encoder, self.tau = encoder, tau

    def forward(self, images: Tensor) -> Distribution:
        return self.encoder.softened(images, self.tau)
