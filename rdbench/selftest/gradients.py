"""The bias of each gradient estimator, against the exact gradient by a sum over all discrete z."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rdbench.config.parts import find, settings_of
from rdbench.models import VAE
from rdbench.models.discrete import DiscreteEncoder
from rdbench.models.estimators import RELAXED, make_estimator
from rdbench.selftest.check import Check

BATCH, BATCHES = 1000, 10
STARTED, COOLED = 0.0, 1e9
"""Steps of training: at STARTED the temperature is 1 and the sharpness 2, at COOLED they are ½ and 20."""

RATE = 1e-4


class _FreeLogits(nn.Module):
    """An encoder with given logits, one row for each image of the batch."""

    def __init__(self, encoder: DiscreteEncoder, logits: Tensor, gradient: str) -> None:
        super().__init__()
        self.factors = encoder.factors
        self.logits = logits
        self.estimator = make_estimator(gradient, samples=4, temperature_rate=RATE)

    def forward(self, images: Tensor) -> torch.distributions.Distribution:
        return self.factors(self.logits)


def check_gradients(encoder_name: str, model: VAE, image: Tensor, every_z: Tensor) -> Iterator[Check]:
    """The bias of each estimator that the encoder offers: ‖E ĝ − g‖ / ‖g‖, with g = ∇(R + D) in the logits.

    The likelihood ratio must have none; that of a relaxation is only printed.
    """
    encoder = model.encoder
    if not isinstance(encoder, DiscreteEncoder):
        return
    logits = encoder(image[None]).logits[0].detach()
    exact = _exact(encoder, model, logits, image, every_z)
    for gradient in settings_of([find("encoder", encoder_name)])["gradient"].choices:
        relaxed = gradient in RELAXED
        cools = relaxed and gradient != "straight-through"
        for steps in (STARTED, COOLED) if cools else (STARTED,):
            bias, error = _bias(encoder, model, logits, image, exact, gradient, steps)
            when = "" if not cools else ", as training begins" if steps == STARTED else ", cooled"
            name = f"gradient={gradient}{when}: bias, as a part of ∇(R + D)"
            yield Check(name, 0.0, bias, error, judged=not relaxed)


@torch.enable_grad()
def _exact(encoder: DiscreteEncoder, model: VAE, logits: Tensor, image: Tensor, every_z: Tensor) -> Tensor:
    """∇ Σ_z e(z|x) (log e(z|x) − log m(z) − log d(x|z)) in the logits."""
    logits = logits.clone().requires_grad_()
    log_encoder = encoder.factors(logits).log_prob(every_z)
    others = model.marginal().log_prob(every_z) + model.decoder(every_z).log_prob(image)
    (found,) = torch.autograd.grad((log_encoder.exp() * (log_encoder - others)).sum(), logits)
    return found.double()


@torch.enable_grad()
def _bias(
    encoder: DiscreteEncoder, model: VAE, logits: Tensor, image: Tensor, exact: Tensor, gradient: str, steps: float
) -> tuple[float, float]:
    """The norm of the bias and its standard error, each over the norm of the exact gradient."""
    found = []
    for _ in range(BATCHES):
        each = logits.expand(BATCH, *logits.shape).clone().requires_grad_()
        free = VAE(_FreeLogits(encoder, each, gradient), model.decoder, model.marginal)
        free.follow(torch.tensor(steps))
        terms = free(image.expand(BATCH, *image.shape))
        found.append(torch.autograd.grad((terms.rate + terms.distortion).mean(0).sum(), each)[0].double())
    estimates = torch.cat(found)
    chance = (estimates.var(0) / len(estimates)).sum().sqrt()
    return float((estimates.mean(0) - exact).norm() / exact.norm()), float(chance / exact.norm())
