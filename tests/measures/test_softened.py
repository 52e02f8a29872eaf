"""The bound by a softened choice of codes, beside the sum over all codes of a tiny grid."""

import pytest
import torch

from rdbench.config.family import Family
from rdbench.measures.bounds import measure
from rdbench.measures.enumerated import every_z, log_likelihood
from rdbench.measures.softened import SoftenedEncoder
from rdbench.models import VAE, Size, build

SIDE = 8
IMAGES = (torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) < 0.3).float()


@pytest.fixture(params=["vq", "vq2"])
def model(request):
    """A model of 4 or 5 places with 3 codes, whose parts are far from their start."""
    model = build(Family(request.param, "deconv", "pixelcnn"), Size(0.05, 3, image_side=SIDE), {"codes": 3})
    with torch.no_grad():
        for value in model.parameters():
            value += 0.2 * torch.randn_like(value)
    return model.eval().requires_grad_(False)


def softened(model, tau):
    return VAE(SoftenedEncoder(model.encoder, tau), model.decoder, model.marginal)


def test_the_bound_rises_to_log_p_and_stays_below(model):
    truth = log_likelihood(model, IMAGES, every_z(model.encoder)).numpy()
    found = measure(softened(model, 3.0), IMAGES.repeat(33, 1, 1), (1, 10, 100)).iwae
    gaps = [truth - bound.reshape(33, 3) for bound in found.values()]
    for gap in gaps:
        assert (gap.mean(0) > -3 * gap.std(0, ddof=1) / 33**0.5).all()
    one, ten, hundred = (gap.mean() for gap in gaps)
    assert one > 1 and 0.5 * one > ten > hundred
    assert abs(hundred) < 0.05 * one


def test_the_mean_weight_is_p(model):
    truth = log_likelihood(model, IMAGES, every_z(model.encoder))
    encoder = model.encoder.softened(IMAGES, 3.0)
    z = encoder.sample((4000,))
    log_w = model.decoder(z).log_prob(IMAGES) + model.marginal().log_prob(z) - encoder.log_prob(z)
    ratio = (log_w.double() - truth).exp()
    assert ((ratio.mean(0) - 1).abs() < 4 * ratio.std(0) / 4000**0.5).all()


def test_at_a_tau_near_zero_it_is_the_elbo_of_the_model(model):
    hard, soft = measure(model, IMAGES), measure(softened(model, 1e-6), IMAGES, (1, 3))
    for bound in soft.iwae.values():
        assert bound == pytest.approx(hard.elbo, abs=1e-4)


def test_probabilities_of_all_codes_sum_to_one(model):
    every = every_z(model.encoder)[:, None].expand(-1, len(IMAGES), -1)
    log_e = model.encoder.softened(IMAGES, 0.7).log_prob(every).double()
    assert log_e.exp().sum(0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_codes_are_drawn_by_their_squared_distance():
    model = build(Family("vq", "deconv", "uniform"), Size(0.05, 3, image_side=SIDE), {"codes": 3})
    seen = []
    model.encoder.project.register_forward_hook(lambda module, given, found: seen.append(found))
    with torch.no_grad():
        logits = model.encoder.softened(IMAGES, 0.5).logits
    z = seen[0].flatten(2).transpose(1, 2)
    distances = torch.cdist(z, model.encoder.codebook.vectors.expand(len(z), -1, -1)) ** 2
    torch.testing.assert_close(logits, (-distances / 0.5).log_softmax(-1))
