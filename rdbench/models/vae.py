"""The latent-variable model, and what it says of a batch."""

from torch import Tensor, nn

from rdbench.models.estimators import Pathwise
from rdbench.models.terms import Terms


class VAE(nn.Module):
    """An encoder, a decoder and a marginal: modules whose ``forward`` returns a distribution.

    An encoder may have an ``estimator``, by which a gradient reaches it in training; else it is the reparameterisation.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, marginal: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.marginal = marginal
        self._estimator = (getattr(encoder, "estimator", None) or Pathwise(),)  # in a tuple: the encoder owns it

    @property
    def estimator(self) -> nn.Module:
        """How a gradient reaches the encoder."""
        return self._estimator[0]

    def forward(self, images: Tensor, samples: int = 1, targets: Tensor | None = None) -> Terms:
        """(batch, H, W) images of zeros and ones to the terms of training at ``samples`` draws of z for each.

        ``targets`` are what the decoder explains, (batch, …), where that is not the images.
        """
        try:
            terms: Terms = self.estimator(self, images, samples, images if targets is None else targets)
            return terms
        finally:
            self.forget()  # or what a flow remembers would hold memory, also that of a try for which it was too small

    def forget(self) -> None:
        """Have the parts let go of the samples that they remember."""
        for part in (self.encoder, self.decoder, self.marginal):
            if callable(forget := getattr(part, "forget", None)):
                forget()

    def follow(self, clock: Tensor) -> None:
        """Let what changes with the steps of training read how many are done, from a tensor that counts them."""
        if hasattr(self.estimator, "clock"):
            self.estimator.clock = clock
