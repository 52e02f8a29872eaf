"""Mutual information between x and z, its bounds, and the dimensions of z that carry it."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from rdbench.data.images import Images
from rdbench.measures.bounds import Arrays, Piece, at_once, joined, mean_and_error, measure, measuring
from rdbench.measures.codes import entropy_of
from rdbench.models import VAE
from rdbench.models.distributions.discrete import Factorised, rates
from rdbench.models.distributions.mixture import is_diagonal, mixture

IMAGES_AT_ONCE = {"cpu": 100, "cuda": 500}
"""Images in a batch. Each batch of z is scored under each batch of encoders: 100 × 100 × latent_dim numbers, which fit
a CPU's caches; a GPU is faster with few large calls."""

GENERATED_AT_ONCE = 100
MEAN_DRAWS = 128
ACTIVE = 0.01


@measuring()
def mutual_information(
    model: VAE, images: Images | Tensor, progress: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.float64]:
    """I(X;Z) on a split of N images: (N,) nats whose mean estimates it, none above log N.

    log e(zᵢ|xᵢ) − log 1/N Σⱼ e(zᵢ|xⱼ), zᵢ ~ e(z|xᵢ), with the aggregated posterior of the split. In expectation the
    mean is a lower bound. "ELBO surgery" (Hoffman & Johnson, 2016, http://approximateinference.org/2016).
    """
    encoders = list(_encoded(model, images))
    ratios: list[Tensor] = []
    for encoder in encoders:
        z = encoder.sample()
        log_encoder = encoder.log_prob(z)
        log_sums = [_log_sum(other, z) for other in encoders]
        log_aggregated = torch.stack(log_sums).logsumexp(0) - math.log(len(images))
        ratios.append((log_encoder - log_aggregated).double().cpu())
        progress(sum(map(len, ratios)), len(images))
    return torch.cat(ratios).numpy()


def _log_sum(encoder: Distribution, z: Tensor) -> Tensor:
    """log Σⱼ e(z|xⱼ) over a batch of xⱼ."""
    (count,) = encoder.batch_shape
    return mixture(torch.zeros(count, device=z.device), encoder).log_prob(z) + math.log(count)


@measuring()
def active_units(model: VAE, images: Images | Tensor, counts: Tensor | None = None) -> int:
    """The number of dimensions of z whose mean given x varies over a split: Var E[z|x] > 0.01.

    "Importance weighted autoencoders" (Burda et al., 2015, https://arxiv.org/abs/1509.00519). With a flow the mean is
    estimated from 128 draws, whose noise is subtracted from the variance; the error left is 0.001 at 100 images. A
    discrete variable is active if I(X;zᵢ) > 0.01 nats, exact on the split; of codes that is H(zᵢ), by the ``counts`` of
    ``code_counts``.
    """
    if len(images) < 2:
        return 0
    information = information_by_variable(model, images) if counts is None else entropy_of(counts)
    if information is not None:
        return int((information > ACTIVE).sum())
    means, noise = zip(*map(_mean, _encoded(model, images)), strict=True)
    variance: Tensor = torch.cat(means).var(0) - torch.cat(noise).mean(0)
    return int((variance > ACTIVE).sum())


@measuring()
def information_by_variable(model: VAE, images: Images | Tensor) -> Tensor | None:
    """I(X;zᵢ) of each discrete variable on a split, (n,) nats; None unless the encoder factorises over such variables.

    I(X;zᵢ) = H(mean of e(zᵢ|x)) − mean of H(e(zᵢ|x)), means over the images of the split: exact.
    """
    tables = []
    for encoder in _encoded(model, images):
        if not isinstance(encoder, Factorised):
            return None
        tables.append(encoder.log_tables().double())
    log_tables = torch.cat(tables)
    mean = log_tables.exp().mean(0)
    return (log_tables.exp() * log_tables).sum(-1).mean(0) - torch.xlogy(mean, mean).sum(-1)


def _mean(encoder: Distribution) -> tuple[Tensor, Tensor]:
    """E[z|x] of each image, and the variance of that estimate."""
    if is_diagonal(encoder):
        return encoder.mean, torch.zeros_like(encoder.mean)
    z = encoder.sample((MEAN_DRAWS,))
    return z.mean(0), z.var(0) / MEAN_DRAWS


@measuring()
def rate_by_dimension(model: VAE, images: Images | Tensor) -> list[float] | None:
    """KL(e(zᵢ|x) ‖ m(zᵢ)) of each dimension, a mean over images, nats; None unless both factorise in the same way."""
    marginal, total = model.marginal(), None
    for encoder in _encoded(model, images):
        if is_diagonal(encoder) and is_diagonal(marginal):
            each = kl_divergence(encoder.base_dist, marginal.base_dist)
        elif isinstance(encoder, Factorised) and type(marginal) is type(encoder):
            each = rates(encoder, marginal)
        else:
            return None
        total = each.double().sum(0) + (0 if total is None else total)
    return None if total is None else (total / len(images)).tolist()


def _encoded(model: VAE, images: Images | Tensor) -> Iterator[Distribution]:
    """e(z|x) of a split, in batches."""
    together = IMAGES_AT_ONCE[images[:1].device.type]
    for start in range(0, len(images), together):
        yield model.encoder(images[start : start + together])


@measuring()
def generative_bounds(
    model: VAE,
    images: int,
    k: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    piece: Piece = at_once,
) -> dict[str, float]:
    """Bounds of I(X;Z) for z ~ m(z), x ~ d(x|z): E ≤ I_gen ≤ G in expectation, each with ``_se``; nats.

    With S = −E log e(z|x) and U = −E log q(x): E = E log e(z|x) − log m(z) = H(m) − S, and
    G = E log d(x|z) − log q(x) = U − H(x|z). log q(x) is the model's own IWAE-``k`` of x. In expectation it is at most
    the log-likelihood, so G stays an upper bound. Appendix C of "Fixing a broken ELBO" (Alemi et al., 2018,
    https://arxiv.org/abs/1711.00464).
    """
    pieces = []
    for start in range(0, images, GENERATED_AT_ONCE):
        count = min(GENERATED_AT_ONCE, images - start)

        def compute(start: int = start, count: int = count) -> Arrays:
            return _generated(model, count, k, lambda done, total: progress(start + done, images))

        pieces.append(piece(str(start), dict.fromkeys("egsu", count), compute))
    whole, row = joined(pieces), {}
    for letter in "egsu":
        row[f"generative_{letter}"], row[f"generative_{letter}_se"] = mean_and_error(whole[letter])
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
