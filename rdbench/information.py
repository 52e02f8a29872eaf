"""What z knows of x, and x of z: mutual informations, their bounds, and the dimensions that carry them."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from rdbench.distributions.mixture import mixture
from rdbench.evaluate import Arrays, Piece, at_once, mean_and_error, measure
from rdbench.images import Images
from rdbench.models import VAE

IMAGES_AT_ONCE = 20
"""Each is scored under every image's encoder: (20, N, latent_dim) numbers are in memory at once."""

GENERATED_AT_ONCE = 100
MEAN_DRAWS = 32
ACTIVE = 0.01


@torch.no_grad()
def mutual_information(
    model: VAE, images: Images | Tensor, progress: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.float64]:
    """I(X;Z) on a split of N images, in nats: (N,) numbers whose mean estimates it, none above log N.

    log e(zᵢ|xᵢ) − log 1/N Σⱼ e(zᵢ|xⱼ), zᵢ ~ e(z|xᵢ): the split's own aggregated posterior. In expectation the mean is a
    lower bound. "ELBO surgery" (Hoffman & Johnson, 2016, http://approximateinference.org/2016).
    """
    every = images[:]
    aggregated = mixture(torch.zeros(len(every), device=every.device), model.encoder(every))
    ratios = []
    for start in range(0, len(every), IMAGES_AT_ONCE):
        encoder = model.encoder(every[start : start + IMAGES_AT_ONCE])
        z = encoder.sample()
        ratios.append((encoder.log_prob(z) - aggregated.log_prob(z)).double().cpu())
        progress(start + len(ratios[-1]), len(every))
    return torch.cat(ratios).numpy()


@torch.no_grad()
def active_units(model: VAE, images: Images | Tensor) -> int:
    """The number of dimensions of z whose mean given x varies over a split: Var E[z|x] > 0.01.

    "Importance weighted autoencoders" (Burda et al., 2015, https://arxiv.org/abs/1509.00519). The mean is over 32
    draws, whose own noise is taken off the variance.
    """
    means, noise = [], []
    for start in range(0, len(images), IMAGES_AT_ONCE):
        z = model.encoder(images[start : start + IMAGES_AT_ONCE]).sample((MEAN_DRAWS,))
        means.append(z.mean(0))
        noise.append(z.var(0) / MEAN_DRAWS)
    if len(images) < 2:
        return 0
    variance: Tensor = torch.cat(means).var(0) - torch.cat(noise).mean(0)
    return int((variance > ACTIVE).sum())


@torch.no_grad()
def rate_by_dimension(model: VAE, images: Images | Tensor) -> list[float] | None:
    """KL(e(zᵢ|x) ‖ m(zᵢ)) of each dimension, a mean over images, nats; None unless both are diagonal Gaussians."""
    marginal, total = model.marginal(), None
    for start in range(0, len(images), IMAGES_AT_ONCE):
        encoder = model.encoder(images[start : start + IMAGES_AT_ONCE])
        if not (_diagonal(encoder) and _diagonal(marginal)):
            return None
        rates = kl_divergence(encoder.base_dist, marginal.base_dist).double().sum(0)
        total = rates if total is None else total + rates
    return None if total is None else (total / len(images)).tolist()


def _diagonal(distribution: object) -> bool:
    return isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal)


@torch.no_grad()
def generative_bounds(
    model: VAE,
    images: int,
    k: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    piece: Piece = at_once,
) -> dict[str, float]:
    """Bounds on the mutual information of what the model draws, E ≤ I_gen ≤ G in expectation, each with ``_se``; nats.

    z ~ m(z), x ~ d(x|z). With S = −E log e(z|x) and U = −E log q(x): E = E log e(z|x) − log m(z) = H(m) − S, and
    G = E log d(x|z) − log q(x) = U − H(x|z). log q(x) is the model's own IWAE-``k`` of x, in expectation never above
    its log-likelihood, which keeps G a bound. Appendix C of "Fixing a broken ELBO" (Alemi et al., 2018,
    https://arxiv.org/abs/1711.00464).
    """
    pieces = []
    for start in range(0, images, GENERATED_AT_ONCE):
        count = min(GENERATED_AT_ONCE, images - start)

        def compute(start: int = start, count: int = count) -> Arrays:
            return _generated(model, count, k, lambda done, total: progress(start + done, images))

        pieces.append(piece(str(start), compute))
    row = {}
    for letter in "egsu":
        values = np.concatenate([piece[letter] for piece in pieces])
        row[f"generative_{letter}"], row[f"generative_{letter}_se"] = mean_and_error(values)
    return row


def _generated(model: VAE, images: int, k: int, progress: Callable[[int, int], None]) -> Arrays:
    marginal = model.marginal()
    z = marginal.sample((images,))
    decoder = model.decoder(z)
    x = decoder.sample()
    densities = (model.encoder(x).log_prob(z), marginal.log_prob(z), decoder.log_prob(x))
    log_encoder, log_marginal, log_decoder = (density.double().cpu().numpy() for density in densities)
    log_q = measure(model, x, (k,), progress=progress).iwae[k]
    return {"e": log_encoder - log_marginal, "g": log_decoder - log_q, "s": -log_encoder, "u": -log_q}
