"""Checks of one family on tiny images with two latent dimensions, where sums and a grid give the truth."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from rdbench.config.family import TOY, Family
from rdbench.config.parts import find
from rdbench.errors import UserError
from rdbench.measures.bounds import mean_and_error, measure
from rdbench.measures.enumerated import every_z
from rdbench.measures.information import mutual_information
from rdbench.models import VAE, Size, build
from rdbench.models.discrete import DiscreteEncoder
from rdbench.models.distributions.codes import Codes
from rdbench.selftest.check import Check
from rdbench.selftest.contract import TINY_SETTINGS, check_contract
from rdbench.selftest.gradients import check_gradients

SIDE = 4
SIZE = Size(width=0.06, latent_dim=2, pseudo_inputs=3, image_side=SIDE)
STEP = 0.1
REACH = 9.0
"""The grid over z spans ±9, which holds all mass, so finely that a sum over its points is an integral."""

CLASSES = 3
NUDGE = 0.1
"""Moves the weights off their start, so that no part is trivially another."""

SAMPLES = 2000
K = 200
COPIES = 20
"""Copies of an image, over which ``measure`` has a standard error."""

SPLIT = 30
SHAKE = 0.3
"""Moves the weights further, so that discrete z depends on the image, and the image on z."""

FLOAT32 = 1e-3
BIAS = 0.02


def check_family(family: Family) -> Iterator[Check]:
    """Check a family's contract, densities, flows, masks and bounds, with the same numbers at every call.

    A family with a decoder of labels is checked for its contract only.

    Raises:
        UserError: the family is the toy's.
    """
    if family == TOY:
        raise UserError(
            f"family {family.words} is the toy's, without images; rdbench selftest without --family checks it"
        )
    kept, of_labels = True, find("decoder", family.decoder).explains == "label"
    for check in check_contract(family, replace(SIZE, classes=CLASSES) if of_labels else SIZE):
        kept = check.passed
        yield check
    if kept and not of_labels:
        yield from _check_densities(family)


@torch.no_grad()
def _check_densities(family: Family) -> Iterator[Check]:
    """Check densities, flows, masks and bounds against sums and integrals."""
    torch.manual_seed(0)
    model = build(family, SIZE, TINY_SETTINGS)
    for parameter in model.parameters():
        parameter.add_(NUDGE * torch.randn_like(parameter))
    every = _all_images()
    images = every[torch.randint(len(every), (2,))]
    grid, volume = _every_z(model)
    log_marginal = model.marginal().log_prob(grid)
    z = model.marginal().sample((SAMPLES,))
    yield from _check_latents("marginal m(z)", grid, volume, log_marginal, z, model.marginal().log_prob(z))
    for index, image in enumerate(images):
        encoder = model.encoder(image[None])
        log_encoder = encoder.log_prob(grid[:, None])[:, 0]
        z = (encoder.rsample if encoder.has_rsample else encoder.sample)((SAMPLES,))
        if index == 0:
            yield from _check_latents("encoder e(z|x)", grid, volume, log_encoder, z[:, 0], encoder.log_prob(z)[:, 0])
            if encoder.has_rsample:
                yield _check_inverse(model, image)
            yield from _check_decoder(model, z[0], every)
        yield from _check_bounds(model, image, grid, volume, log_encoder, log_marginal, f"image {index + 1}: ")
    if isinstance(model.encoder, DiscreteEncoder):
        for parameter in model.parameters():
            parameter.add_(SHAKE * torch.randn_like(parameter))
        yield _check_information(model, every[torch.randint(len(every), (SPLIT,))], grid)
        if not isinstance(encoder, Codes):  # whose one gradient, straight through, is of no density
            yield from check_gradients(family.encoder, model, images[0], grid)


def _every_z(model: VAE) -> tuple[Tensor, float]:
    """(M, event) values of z and the volume of each: all values of discrete z, or a grid over continuous z."""
    if isinstance(model.encoder, DiscreteEncoder):
        return every_z(model.encoder), 1.0
    return torch.cartesian_prod(*[torch.arange(-REACH, REACH, STEP)] * 2), STEP**2


def _check_latents(
    name: str, grid: Tensor, volume: float, log_density: Tensor, z: Tensor, log_drawn: Tensor
) -> Iterator[Check]:
    """Check that a density integrates to one, and that its samples have the moments of the grid."""
    weight = log_density.double().exp() * volume
    yield Check(f"{name}: ∫ (a number)", 1.0, float(weight.sum()), tolerance=FLOAT32)
    moments = {
        "log-density": (log_density, log_drawn),
        "z₁": (grid[:, 0], z[:, 0]),
        "|z|²": (grid.square().sum(1), z.square().sum(1)),
        "z₁z₂": (grid.prod(1), z.prod(1)),
    }
    for moment, (over_grid, drawn) in moments.items():
        estimate = mean_and_error(drawn.double().numpy())
        truth = float((weight * over_grid.double()).where(weight > 0, 0.0).sum())
        yield Check(f"{name}: mean {moment} of its samples", truth, *estimate, tolerance=FLOAT32)


def _check_inverse(model: VAE, image: Tensor) -> Check:
    """Check that the cached inverse of a fresh sample is the one that a flow computes."""
    encoder = model.encoder(image[None])
    fresh = encoder.rsample((10,))
    off = (encoder.log_prob(fresh) - encoder.log_prob(fresh.clone())).abs().max()
    return Check("encoder: log e of a fresh sample less that by the inverse", 0.0, float(off), tolerance=FLOAT32)


def _check_decoder(model: VAE, z: Tensor, every: Tensor) -> Iterator[Check]:
    """Check that the likelihoods of all images sum to one, so no mask leaks, and that samples follow them."""
    decoder = model.decoder(z)
    log_likelihood = decoder.log_prob(every).double()
    total = float(log_likelihood.exp().sum())
    yield Check(f"decoder d(x|z): Σ over all {len(every):,} images (a number)", 1.0, total, tolerance=FLOAT32)
    drawn = decoder.sample((SAMPLES,))
    estimate = mean_and_error(decoder.log_prob(drawn[:, 0]).double().numpy())
    expected = float((log_likelihood.exp() * log_likelihood).sum())
    yield Check("decoder d(x|z): mean log-likelihood of its samples", expected, *estimate, tolerance=FLOAT32)


def _check_bounds(
    model: VAE, image: Tensor, grid: Tensor, volume: float, log_encoder: Tensor, log_marginal: Tensor, name: str
) -> Iterator[Check]:
    """Check R, D and log p(x) of ``measure``, on many copies of one image, against those of the grid."""
    weight = log_encoder.double().exp() * volume
    log_decoder = model.decoder(grid).log_prob(image).double()
    rate = float((weight * (log_encoder - log_marginal).double()).where(weight > 0, 0.0).sum())
    distortion = -float((weight * log_decoder).sum())
    log_likelihood = float((log_decoder + log_marginal.double()).logsumexp(0)) + math.log(volume)
    deterministic = isinstance(model.encoder(image[None]), Codes)
    iwae = () if deterministic else (1, K)  # all its weights are alike
    found = measure(model, image.expand(COPIES, SIDE, SIDE), iwae, rate_samples=SAMPLES)
    yield Check(f"{name}rate", rate, *mean_and_error(found.rate), tolerance=FLOAT32)
    yield Check(f"{name}distortion", distortion, *mean_and_error(found.distortion), tolerance=FLOAT32)
    for k in iwae[1:]:
        yield Check(f"{name}IWAE-{k}, for log p(x)", log_likelihood, *mean_and_error(found.iwae[k]), tolerance=BIAS)
    slack = max(0.0, float(found.elbo.mean()) - log_likelihood)
    yield Check(f"{name}ELBO above log p(x)", 0.0, slack, mean_and_error(found.elbo)[1], tolerance=FLOAT32)


def _check_information(model: VAE, images: Tensor, every_z: Tensor) -> Check:
    """Check the estimate of I(X;Z), on many copies of each image of a split, against the sum over all z."""
    log_encoder = model.encoder(images).log_prob(every_z[:, None]).double()
    log_mean = log_encoder.logsumexp(1, keepdim=True) - math.log(len(images))
    density = log_encoder.exp()
    truth = float((density * (log_encoder - log_mean)).where(density > 0, 0.0).sum() / len(images))
    estimate = mean_and_error(mutual_information(model, images.repeat(COPIES, 1, 1)))
    return Check(f"I(X;Z) of {SPLIT} images", truth, *estimate, tolerance=FLOAT32)


def _all_images() -> Tensor:
    """Every binary image of that side: (2^16, 4, 4)."""
    bits = torch.arange(2 ** (SIDE * SIDE))[:, None] >> torch.arange(SIDE * SIDE) & 1
    return bits.reshape(-1, SIDE, SIDE).float()
