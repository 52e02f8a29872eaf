"""Bounds of log p(x), from below and above, by annealed importance sampling."""

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
"""The fraction of accepted proposals that the pilot's step sizes aim at."""

FIRST_STEP, FASTER, SLOWER = 0.1, 1.1, 0.9
STEEPNESS = 4.0

Progress = Callable[[int, int], None]


class Annealed:
    """The path from m(z) to m(z) d(x|z) of each of N images: log π_t(z) = log m(z) + t log d(x|z).

    If the marginal is a flow whose forward pass is cheap, chains walk in its base space, u with z = f(u): they start
    from the base distribution and need no inverse. With ``from_encoder`` the path starts at e(z|x) instead:
    log π_t(z) = (1 − t) log e(z|x) + t log m(z) d(x|z).
    """

    def __init__(self, model: VAE, images: Tensor, from_encoder: bool = False) -> None:
        self.model = model
        self.images = images
        self.from_encoder = from_encoder
        self.transforms: list[Transform] = []
        self.start: Distribution = model.encoder(images) if from_encoder else model.marginal()
        if not from_encoder and isinstance(self.start, TransformedDistribution) and has_shifts(self.start):
            self.transforms, self.start = list(self.start.transforms), self.start.base_dist

    def draw(self, chains: int) -> Tensor:
        """(chains, N, D) draws from π₀."""
        return self.start.sample((chains,) if self.from_encoder else (chains, len(self.images)))

    def densities(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """log π₀ and log π₁ − log π₀ of (chains, N, D) points, each (chains, N) in float64."""
        z = u
        for transform in self.transforms:
            z = transform(z)
        log_start, log_decoder = self.start.log_prob(u).double(), self.model.decoder(z).log_prob(self.images).double()
        if not self.from_encoder:
            return log_start, log_decoder
        return log_start, self.model.marginal().log_prob(z).double() + log_decoder - log_start

    def gradient(self, u: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor]:
        """log π_t, log π₁ − log π₀, and ∇ log π_t."""
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            log_start, log_ratio = self.densities(u)
            log_density = log_start + t * log_ratio
            (slope,) = torch.autograd.grad(log_density.sum(), u)
        return log_density.detach(), log_ratio.detach(), slope

    def move(self, u: Tensor, t: float, step: float) -> tuple[Tensor, Tensor, float]:
        """One Hamiltonian transition that preserves π_t: new points, their log π₁ − log π₀, the fraction accepted."""
        before, log_ratio, slope = self.gradient(u, t)
        momentum = torch.randn_like(u)
        proposed, energy = u, before - momentum.square().sum(-1).double() / 2
        after, new_log_ratio = before, log_ratio
        for _ in range(LEAPFROG):
            momentum = momentum + step / 2 * slope
            proposed = proposed + step * momentum
            after, new_log_ratio, slope = self.gradient(proposed, t)
            momentum = momentum + step / 2 * slope
        change = after - momentum.square().sum(-1).double() / 2 - energy
        accepted = torch.rand_like(change).log() < change  # False for NaN
        points = torch.where(accepted[..., None], proposed, u)
        return points, torch.where(accepted, new_log_ratio, log_ratio), float(accepted.double().mean())


@dataclass
class Path:
    """The results of a walk: ``log_weights``, (chains, N) nats, and ``accepted``, the fraction of moves.

    ``rate`` and ``distortion`` are those of π_t at each temperature, means over images. On a path from m(z) they
    are points of the model's own rate-distortion curve, R = −t D − log Z_t. "Evaluating lossy compression rates of deep
    generative models" (Huang et al., 2020, https://arxiv.org/abs/2008.06653).
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
    """Step sizes for each temperature but the first, by a walk that adapts them and is then discarded."""
    u, step, steps = path.draw(chains), FIRST_STEP, []
    for t in schedule[1:]:
        steps.append(step)
        u, _, accepted = path.move(u, t, step)
        step *= FASTER if accepted > ACCEPTED else SLOWER
    return steps


def forward(
    path: Annealed, schedule: list[float], steps: list[float], chains: int, progress: Progress = lambda done, of: None
) -> Path:
    """Walk from π₀ to the posterior: E w = p(x), so E log w ≤ log p(x).

    "Annealed importance sampling" (Neal, 2001, https://arxiv.org/abs/physics/9803008).
    """
    u = path.draw(chains)
    with torch.no_grad():
        log_ratio = path.densities(u)[1]
    found = Path(torch.zeros_like(log_ratio))
    for (before, t), step in zip(pairwise(schedule), steps, strict=True):
        found.log_weights = found.log_weights + (t - before) * log_ratio
        u, log_ratio, accepted = path.move(u, t, step)
        found.accepted += accepted / len(steps)
        distortion = -(found.log_weights.softmax(0) * log_ratio).sum(0)
        found.rate.append(float((-t * distortion - found.log_mean).mean()))
        found.distortion.append(float(distortion.mean()))
        progress(len(found.rate), len(steps))
    return found


def backward(path: Annealed, u: Tensor, schedule: list[float], steps: list[float], chains: int) -> Tensor:
    """Walk from an exact draw of the posterior, (N, D), back to π₀: (N,) upper bounds of log p(x) in expectation.

    E 1/w = 1/p(x) if x and z were drawn together. "Sandwiching the marginal likelihood using bidirectional Monte Carlo"
    (Grosse et al., 2015, https://arxiv.org/abs/1511.02543).
    """
    points = u.expand(chains, *u.shape)
    log_weights = torch.zeros(chains, len(u), dtype=torch.float64, device=u.device)
    for (before, t), step in reversed(list(zip(pairwise(schedule), steps, strict=True))):
        points, log_ratio, _ = path.move(points, t, step)
        log_weights -= (t - before) * log_ratio
    return math.log(chains) - log_weights.logsumexp(0)


def simulated(model: VAE, count: int, from_encoder: bool = False) -> tuple[Annealed, Tensor]:
    """Draw z ~ m(z) and images x ~ d(x|z): the path for those images, and the (count, D) points of the draws."""
    path = Annealed(model, torch.empty(0))
    with torch.no_grad():
        u = z = path.start.sample((count,))
        for transform in path.transforms:
            z = transform(z)
        images = model.decoder(z).sample()
        if from_encoder:
            return Annealed(model, images, from_encoder), z
    path.images = images
    return path, u


def has_shifts(distribution: Distribution) -> bool:
    """Whether a distribution is a flow that takes one pass for each dimension to score a z not just drawn."""
    return any(isinstance(step, Shift) for step in getattr(distribution, "transforms", ()))
