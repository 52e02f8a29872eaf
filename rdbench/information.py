"""What z knows of x: the encoder's mutual information, and the dimensions that carry it."""

import torch
from torch import Tensor

from rdbench.distributions.mixture import mixture
from rdbench.evaluate import mean_and_error
from rdbench.images import Images
from rdbench.models import VAE

IMAGES_AT_ONCE = 20
"""Each is scored under every image's encoder: (20, N, latent_dim) numbers are in memory at once."""

MEAN_DRAWS = 32
ACTIVE = 0.01


@torch.no_grad()
def mutual_information(model: VAE, images: Images) -> tuple[float, float]:
    """I(X;Z) on a split of N images, and its standard error, in nats; never more than log N.

    The mean over images of log e(zᵢ|xᵢ) − log 1/N Σⱼ e(zᵢ|xⱼ), zᵢ ~ e(z|xᵢ): the split's own aggregated posterior. In
    expectation it is a lower bound. "ELBO surgery" (Hoffman & Johnson, 2016, http://approximateinference.org/2016).
    """
    every = images[:]
    aggregated = mixture(torch.zeros(len(every), device=every.device), model.encoder(every))
    ratios = []
    for start in range(0, len(every), IMAGES_AT_ONCE):
        encoder = model.encoder(every[start : start + IMAGES_AT_ONCE])
        z = encoder.sample()
        ratios.append((encoder.log_prob(z) - aggregated.log_prob(z)).double().cpu())
    return mean_and_error(torch.cat(ratios).numpy())


@torch.no_grad()
def active_units(model: VAE, images: Images) -> int:
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
