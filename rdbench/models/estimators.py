"""Gradient estimators: each gives the terms of a batch, with the gradient by which the encoder trains.

Evaluation uses none of them: it samples the true, hard latent. ``targets`` are the images, or their labels where the
decoder explains those. Terms are in nats, each (samples, batch).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributions import Distribution, kl_divergence

from rdbench.models.distributions.discrete import Bits, Factorised
from rdbench.models.terms import Terms
from rdbench.models.vae import VAE, Pathwise

COLDEST = 0.5
"""The lowest temperature, as in Jang et al. (2017)."""

FIRST_SHARPNESS, LAST_SHARPNESS = 2.0, 20.0


class Score(nn.Module):
    """The likelihood ratio: ∇ E f(z) = E (f(z) − b) ∇ log e(z|x), unbiased, with a baseline b independent of z.

    The baseline is the mean over the other images of the batch. "Simple statistical gradient-following algorithms for
    connectionist reinforcement learning" (Williams, 1992, https://doi.org/10.1007/BF00992696).
    """

    relaxes = False

    def __init__(self, samples: int = 1) -> None:
        super().__init__()
        self.samples = samples

    def forward(self, model: VAE, images: Tensor, samples: int, targets: Tensor) -> Terms:
        encoder, marginal = model.encoder(images), model.marginal()
        z = encoder.sample((self.samples,))
        log_encoder = encoder.log_prob(z)
        log_decoder = self.scored(model.decoder(z).log_prob(targets), log_encoder)
        negative_entropy = -encoder.entropy().expand_as(log_encoder)
        closed = _closed_rate(encoder, marginal)
        if closed is not None:
            return Terms(negative_entropy, log_decoder, negative_entropy - closed)
        return Terms(negative_entropy, log_decoder, self.scored(marginal.log_prob(z), log_encoder))

    def scored(self, value: Tensor, log_encoder: Tensor) -> Tensor:
        """The value unchanged, with (value − b) ∇ log e added to its gradient."""
        signal = (value - self.baseline(value.detach())).detach()
        return value + signal * (log_encoder - log_encoder.detach())

    def baseline(self, value: Tensor) -> Tensor:
        """(samples, batch): the mean over the other images."""
        others = max(value.shape[1] - 1, 1)
        return (value.sum(1, keepdim=True) - value) / others


class LeaveOneOut(Score):
    """The likelihood ratio with several draws of z; the baseline is the mean over the other draws of the same image.

    "Buy 4 REINFORCE samples, get a baseline for free!" (Kool et al., 2019,
    https://openreview.net/forum?id=r1lgTGL5DE).
    """

    def baseline(self, value: Tensor) -> Tensor:
        """(samples, batch): the mean over the other draws."""
        return (value.sum(0, keepdim=True) - value) / (len(value) - 1)


class Relaxed(nn.Module):
    """A gradient through a relaxation of z, with bias but less variance than the likelihood ratio.

    The decoder sees the relaxed z. The rate is in closed form where there is one. Else the marginal scores the hard z,
    since a relaxed one has no probability under m; the gradient still passes through the relaxation.
    """

    clock: Tensor
    relaxes = True

    def __init__(self, temperature_rate: float) -> None:
        super().__init__()
        self.temperature_rate = temperature_rate
        self.register_buffer("clock", torch.zeros(()), persistent=False)

    def forward(self, model: VAE, images: Tensor, samples: int, targets: Tensor) -> Terms:
        encoder, marginal = model.encoder(images), model.marginal()
        soft, hard = self.relax(encoder, samples)
        log_decoder = model.decoder(soft).log_prob(targets)
        negative_entropy = -encoder.entropy().expand_as(log_decoder)
        closed = _closed_rate(encoder, marginal)
        log_marginal = marginal.log_prob(hard) if closed is None else negative_entropy - closed
        return Terms(negative_entropy, log_decoder, log_marginal)

    def relax(self, encoder: Factorised, samples: int) -> tuple[Tensor, Tensor]:
        """z for the decoder, and hard z with the gradient of the relaxation, each (samples, batch, event)."""
        raise NotImplementedError

    @property
    def temperature(self) -> Tensor:
        """max(½, e^(−rt)) after t steps."""
        return (-self.temperature_rate * self.clock).exp().clamp(min=COLDEST)

    @property
    def sharpness(self) -> Tensor:
        """2 e^(rt) after t steps, at most 20."""
        return (FIRST_SHARPNESS * (self.temperature_rate * self.clock).exp()).clamp(max=LAST_SHARPNESS)


class StraightThrough(Relaxed):
    """Hard z, with the gradient of its mean.

    "Estimating or propagating gradients through stochastic neurons for conditional computation" (Bengio et al., 2013,
    https://arxiv.org/abs/1308.3432).
    """

    def relax(self, encoder: Factorised, samples: int) -> tuple[Tensor, Tensor]:
        hard = encoder.sample((samples,))
        passed = through(hard, encoder.mean.expand_as(hard))
        return passed, passed


class Gumbel(Relaxed):
    """softmax((logits + Gumbel noise) / τ); for bits σ((logit + logistic noise) / τ).

    "Categorical reparameterization with Gumbel-softmax" (Jang et al., 2017, https://arxiv.org/abs/1611.01144); "The
    concrete distribution" (Maddison et al., 2017, https://arxiv.org/abs/1611.00712).
    """

    def relax(self, encoder: Factorised, samples: int) -> tuple[Tensor, Tensor]:
        logits = encoder.logits
        uniform = torch.rand(samples, *logits.shape, device=logits.device).clamp(1e-7, 1 - 1e-7)
        if isinstance(encoder, Bits):
            soft = ((logits + uniform.logit()) / self.temperature).sigmoid()
            return soft, through((soft > 0.5).float(), soft)
        soft = ((logits - (-uniform.log()).log()) / self.temperature).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), encoder.categories).float()
        return soft.flatten(-2), through(hard.flatten(-2), soft.flatten(-2))


class StraightThroughGumbel(Gumbel):
    """Hard z, the argmax of the Gumbel relaxation, with the gradient of that relaxation."""

    def relax(self, encoder: Factorised, samples: int) -> tuple[Tensor, Tensor]:
        _, hard = super().relax(encoder, samples)
        return hard, hard


class Smoothed(Relaxed):
    """A smoothing transformation f(ε, p) of each bit, ε ~ U(0, 1), which tends to the bit as the sharpness s grows.

    "DVAE: discrete variational autoencoders with relaxed Boltzmann priors" (Vahdat et al., 2018,
    https://arxiv.org/abs/1805.07445); "Discrete variational autoencoders" (Rolfe, 2017,
    https://arxiv.org/abs/1609.02200).
    """

    def relax(self, encoder: Factorised, samples: int) -> tuple[Tensor, Tensor]:
        p = encoder.mean.clamp(1e-6, 1 - 1e-6)
        noise = torch.rand(samples, *p.shape, device=p.device)
        soft = self.smooth(noise, p, self.sharpness)
        return soft, through((noise >= 1 - p).float(), soft)

    @staticmethod
    def smooth(noise: Tensor, p: Tensor, sharpness: Tensor) -> Tensor:
        """f(ε, p)."""
        raise NotImplementedError


class SpikeExponential(Smoothed):
    """f = 1[ε ≥ 1−p] log(u (e^s − 1) + 1) / s, with u = (ε + p − 1) / p: E f = p (e^s / (e^s − 1) − 1/s)."""

    @staticmethod
    def smooth(noise: Tensor, p: Tensor, sharpness: Tensor) -> Tensor:
        u = ((noise + p - 1) / p).clamp(0, 1)
        return (noise >= 1 - p) * (u * sharpness.expm1() + 1).log() / sharpness


class Power(Smoothed):
    """f = 1[ε ≥ 1−p] (1 − ((1−ε)/p)^s): E f = p s / (s + 1)."""

    @staticmethod
    def smooth(noise: Tensor, p: Tensor, sharpness: Tensor) -> Tensor:
        return (noise >= 1 - p) * (1 - ((1 - noise) / p).clamp(0, 1) ** sharpness)


class SymmetricPower(Smoothed):
    """f = (1−p) (ε/(1−p))^s for ε < 1−p, else 1 − p ((1−ε)/p)^s: E f = p + (1 − 2p) / (s + 1)."""

    @staticmethod
    def smooth(noise: Tensor, p: Tensor, sharpness: Tensor) -> Tensor:
        below = (1 - p) * (noise / (1 - p)).clamp(0, 1) ** sharpness
        above = 1 - p * ((1 - noise) / p).clamp(0, 1) ** sharpness
        return torch.where(noise < 1 - p, below, above)


class _Through(torch.autograd.Function):
    """The first tensor, with the gradient of the second; soft + (hard − soft).detach() would be off by rounding."""

    @staticmethod
    def forward(ctx: Any, hard: Tensor, soft: Tensor) -> Tensor:
        return hard.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient


def through(hard: Tensor, soft: Tensor) -> Tensor:
    """``hard``, whose gradient goes to ``soft``."""
    passed: Tensor = _Through.apply(hard, soft)
    return passed


def _closed_rate(encoder: Distribution, marginal: Distribution) -> Tensor | None:
    """KL(e ‖ m) of each image, (batch,) nats; None if it has no closed form."""
    try:
        rate: Tensor = kl_divergence(encoder, marginal)
    except NotImplementedError:
        return None
    return rate


RELAXED: dict[str, type[Relaxed]] = {
    "straight-through": StraightThrough,
    "gumbel": Gumbel,
    "straight-through-gumbel": StraightThroughGumbel,
    "spike-exponential": SpikeExponential,
    "power": Power,
    "symmetric-power": SymmetricPower,
}


def make_estimator(gradient: str, samples: int = 1, temperature_rate: float = 0.0) -> nn.Module:
    """The estimator called ``gradient``; ``samples`` are the draws of ``rloo``."""
    if gradient == "pathwise":
        return Pathwise()
    if gradient == "score":
        return Score()
    return LeaveOneOut(samples) if gradient == "rloo" else RELAXED[gradient](temperature_rate)
