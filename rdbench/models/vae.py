"""The latent-variable model, and what it says of a batch."""

from typing import NamedTuple

from torch import Tensor, nn


class Terms(NamedTuple):
    """Log-densities at sampled z, each (..., samples, batch), in nats; leading dimensions are models side by side."""

    log_encoder: Tensor
    log_decoder: Tensor
    log_marginal: Tensor

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


class VAE(nn.Module):
    """An encoder, a decoder and a marginal: modules whose ``forward`` returns a distribution."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, marginal: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.marginal = marginal

    def forward(self, images: Tensor, samples: int = 1) -> Terms:
        """(batch, H, W) images of zeros and ones to terms at ``samples`` draws of z for each."""
        try:
            encoder = self.encoder(images)
            z = encoder.rsample((samples,))
            return Terms(encoder.log_prob(z), self.decoder(z).log_prob(images), self.marginal().log_prob(z))
        finally:
            self.forget()  # or what a flow remembers would hold memory, also that of a try for which it was too small

    def forget(self) -> None:
        """Have the parts let go of the samples that they remember."""
        for part in (self.encoder, self.decoder, self.marginal):
            if callable(forget := getattr(part, "forget", None)):
                forget()
