"""The latent-variable model, and the estimator that trains it unless its encoder brings another."""

from typing import Any

from torch import Tensor, nn

from rdbench.models.terms import Terms


class Pathwise(nn.Module):
    """The reparameterisation trick, z = g(ε, x): the gradient passes through the sample."""

    relaxes = False

    def forward(self, model: "VAE", images: Tensor, samples: int, targets: Tensor) -> Terms:
        encoder = model.encoder(images)
        z = encoder.rsample((samples,))
        return Terms(encoder.log_prob(z), model.decoder(z).log_prob(targets), model.marginal().log_prob(z))


class VAE(nn.Module):
    """An encoder, a decoder and a marginal: modules whose ``forward`` returns a distribution.

    An encoder may have an ``estimator`` of its gradient; without one training uses the reparameterisation trick.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, marginal: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.marginal = marginal
        self._estimator = (getattr(encoder, "estimator", None) or Pathwise(),)  # in a tuple: the encoder owns it

    @property
    def estimator(self) -> nn.Module:
        """The estimator of the encoder's gradient."""
        return self._estimator[0]

    def forward(self, images: Tensor, samples: int = 1, targets: Tensor | None = None) -> Terms:
        """The terms of training for (batch, H, W) images of zeros and ones, at ``samples`` draws of z for each.

        ``targets``, (batch, …), are what the decoder explains; by default the images.
        """
        try:
            terms: Terms = self.estimator(self, images, samples, images if targets is None else targets)
            return terms
        finally:
            self.forget()  # else a flow's cached sample holds memory, even after a pass that ran out of it

    def forget(self) -> None:
        """Release the samples that the parts cache."""
        for part in (self.encoder, self.decoder, self.marginal):
            if callable(forget := getattr(part, "forget", None)):
                forget()

    def features(self, z: Tensor) -> Tensor:
        """z as numbers of which sums mean something: codes as their vectors."""
        encoder: Any = self.encoder
        return encoder.embed(z) if hasattr(encoder, "embed") else z

    def begin_step(self) -> None:
        """Begin a step of the parts that learn outside the gradient, such as a codebook of moving averages."""
        for part in self._settling():
            part.begin_step()

    def settle(self, skip: Tensor) -> None:
        """Update these parts after a step. ``skip`` is 1 for a step that does not count, else 0."""
        for part in self._settling():
            part.settle(skip)

    def _settling(self) -> list[Any]:
        return [part for part in self.modules() if part is not self and hasattr(part, "settle")]

    def follow(self, clock: Tensor) -> None:
        """Let the estimator's temperature follow ``clock``, a tensor that counts the steps of training."""
        if hasattr(self.estimator, "clock"):
            self.estimator.clock = clock
