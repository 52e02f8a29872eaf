"""log p(x) from below and from above by annealed importance sampling, whose steps no encoder guides."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.distributions import Distribution, Transform, TransformedDistribution

from rdbench.models import VAE
from rdbench.models.distributions.flow import Shift

LEAPFROG = 10
"""Steps of a trajectory; each costs a pass of the decoder and its gradient."""

ACCEPTED = 0.65
"""The part of the proposals that the pilot's step sizes aim at."""

FIRST_STEP, FASTER, SLOWER = 0.1, 1.1, 0.9
STEEPNESS = 4.0

Progress = Callable[[int, int], None]


class Annealed:
    """The path from m(z) to m(z) d(x|z) of each of N images: log π_t(z) = log m(z) + t log d(x|z).

    A marginal that is a flow of cheap forward passes is walked in its base space, u with z = f(u): there the prior is
    the base, and no inverse is needed.
    """

    def __init__(self, model: VAE, images: Tensor) -> None:
        self.model = model
        self.images = images
        marginal: Distribution = model.marginal()
        self.transforms: list[Transform] = []
        if isinstance(marginal, TransformedDistribution) and any(isinstance(t, Shift) for t in marginal.transforms):
            self.transforms, marginal = list(marginal.transforms), marginal.base_dist
        self.prior = marginal

    def densities(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """log prior and log d(x|z) of (chains, N, D) points, each (chains, N) in float64."""
        z = u
        for transform in self.transforms:
            z = transform(z)
        return self.prior.log_prob(u).double(), self.model.decoder(z).log_prob(self.images).double()

    def gradient(self, u: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor]:
        """log π_t, log d, and the gradient of the first."""
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            log_prior, log_decoder = self.densities(u)
            log_density = log_prior + t * log_decoder
            (slope,) = torch.autograd.grad(log_density.sum(), u)
        return log_density.detach(), log_decoder.detach(), slope

    def move(self, u: Tensor, t: float, step: float) -> tuple[Tensor, Tensor, float]:
        """One Hamiltonian transition that leaves π_t as it is: the new points, their log d, the part accepted."""
        before, log_decoder, slope = self.gradient(u, t)
        momentum = torch.randn_like(u)
        proposed, energy = u, before - momentum.square().sum(-1).double() / 2
        after, new_log_decoder = before, log_decoder
        for _ in range(LEAPFROG):
            momentum = momentum + step / 2 * slope
            proposed = proposed + step * momentum
            after, new_log_decoder, slope = self.gradient(proposed, t)
            momentum = momentum + step / 2 * slope
        change = after - momentum.square().sum(-1).double() / 2 - energy
        accepted = torch.rand_like(change).log() < change  # never where it is no number
        points = torch.where(accepted[..., None], proposed, u)
        return points, torch.where(accepted, new_log_decoder, log_decoder), float(accepted.double().mean())


@dataclass
class Path:
    """What a walk of so many temperatures has found: ``log_weights`` (chains, N), and the part of moves ``accepted``.

    ``rate`` and ``distortion`` are of π_t at each temperature, a mean over images: points of the model's own
    rate-distortion curve, R = −t D − log Z_t. "Evaluating lossy compression rates of deep generative models" (Huang et
    al., 2020, https://arxiv.org/abs/2008.06653).
    """

    log_weights: Tensor
    accepted: float = 0.0
    rate: list[float] = field(default_factory=list)
    distortion: list[float] = field(default_factory=list)

    @property
    def log_mean(self) -> Tensor:
        """log of the mean weight over chains, (N,)."""
        return self.log_weights.logsumexp(0) - math.log(len(self.log_weights))


def temperatures(count: int) -> list[float]:
    """0 = t₀ < … < t_count = 1, dense at both ends: a sigmoid, as in "On the quantitative analysis of decoder-based
    generative models" (Wu et al., 2017, https://arxiv.org/abs/1611.04273).

    >>> temperatures(2)
    [0.0, 0.5, 1.0]
    """
    ends = 1 / (1 + math.exp(STEEPNESS)), 1 / (1 + math.exp(-STEEPNESS))
    raw = [1 / (1 + math.exp(STEEPNESS * (1 - 2 * k / count))) for k in range(count + 1)]
    return [0.0, *((value - ends[0]) / (ends[1] - ends[0]) for value in raw[1:-1]), 1.0]


def pilot(path: Annealed, schedule: list[float], chains: int) -> list[float]:
    """Step sizes for each temperature but the first, found by a walk that adapts and is then thrown away."""
    u, step, steps = path.prior.sample((chains, len(path.images))), FIRST_STEP, []
    for t in schedule[1:]:
        steps.append(step)
        u, _, accepted = path.move(u, t, step)
        step *= FASTER if accepted > ACCEPTED else SLOWER
    return steps


def forward(
    path: Annealed, schedule: list[float], steps: list[float], chains: int, progress: Progress = lambda done, of: None
) -> Path:
    """From m(z) to the posterior: E w = p(x), so the mean of log w is a lower bound of log p(x) in expectation.

    "Annealed importance sampling" (Neal, 2001, https://arxiv.org/abs/physics/9803008).
    """
    u = path.prior.sample((chains, len(path.images)))
    with torch.no_grad():
        log_decoder = path.densities(u)[1]
    found = Path(torch.zeros_like(log_decoder))
    for (before, t), step in zip(pairwise(schedule), steps, strict=True):
        found.log_weights = found.log_weights + (t - before) * log_decoder
        u, log_decoder, accepted = path.move(u, t, step)
        found.accepted += accepted / len(steps)
        distortion = -(found.log_weights.softmax(0) * log_decoder).sum(0)
        found.rate.append(float((-t * distortion - found.log_mean).mean()))
        found.distortion.append(float(distortion.mean()))
        progress(len(found.rate), len(steps))
    return found


def backward(path: Annealed, u: Tensor, schedule: list[float], steps: list[float], chains: int) -> Tensor:
    """From an exact draw of the posterior, (N, D), back to m(z): (N,) upper bounds of log p(x) in expectation.

    E 1/w = 1/p(x) where x was drawn with its z. "Sandwiching the marginal likelihood using bidirectional Monte Carlo"
    (Grosse et al., 2015, https://arxiv.org/abs/1511.02543).
    """
    points = u.expand(chains, *u.shape)
    log_weights = torch.zeros(chains, len(u), dtype=torch.float64, device=u.device)
    for (before, t), step in reversed(list(zip(pairwise(schedule), steps, strict=True))):
        points, log_decoder, _ = path.move(points, t, step)
        log_weights -= (t - before) * log_decoder
    return math.log(chains) - log_weights.logsumexp(0)


def simulated(model: VAE, count: int) -> tuple[Annealed, Tensor]:
    """Images that the model draws, and the points that it drew them from: u ~ prior, x ~ d(x|z)."""
    path = Annealed(model, torch.empty(0))
    with torch.no_grad():
        u = z = path.prior.sample((count,))
        for transform in path.transforms:
            z = transform(z)
        path.images = model.decoder(z).sample()
    return path, u
