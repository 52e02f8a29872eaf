"""Decoders of labels: d(y|z)."""

from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from rdbench.models.size import Size

HIDDEN = 256


class LinearDecoder(nn.Module):
    """d(y|z) = softmax(Wz + b); z of (..., latent_dim) to a distribution over ``size.classes`` classes.

    "Deep variational information bottleneck" (Alemi et al., 2017, https://arxiv.org/abs/1612.00410).
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.logits = nn.Linear(size.latent_dim, size.classes)

    def forward(self, z: Tensor) -> Distribution:
        return Categorical(logits=self.logits(z).float(), validate_args=False)


class MLPDecoder(nn.Module):
    """d(y|z) = softmax(f(z)), with f a network of two hidden layers of 256 ReLU units at full width."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        hidden = size.channels(HIDDEN)
        self.logits = nn.Sequential(
            nn.Linear(size.latent_dim, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, size.classes),
        )

    def forward(self, z: Tensor) -> Distribution:
        return Categorical(logits=self.logits(z).float(), validate_args=False)
