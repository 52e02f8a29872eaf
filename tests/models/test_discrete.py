"""Bits and categories beside sums over every z and every image of 4×4 pixels."""

import itertools

import pytest
import torch

from rdbench.config.family import Family
from rdbench.measures import enumerated
from rdbench.measures.bounds import mean_and_error, measure
from rdbench.measures.information import active_units, information_by_variable, mutual_information, rate_by_dimension
from rdbench.models import Size, build
from rdbench.models.distributions.discrete import Bits

FAMILIES = [
    Family("bernoulli", "deconv", "factorised"),
    Family("bernoulli", "deconv", "autoregressive"),
    Family("categorical", "deconv", "uniform"),
    Family("categorical", "deconv", "autoregressive"),
]
CATEGORIES = 3


@pytest.fixture(params=FAMILIES, ids=lambda family: family.words)
def model(request):
    """Two variables, each of which depends on the image and the image on it."""
    made = build(request.param, Size(width=0.06, latent_dim=2, image_side=4), {"categories": CATEGORIES})
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.4 * torch.randn_like(parameter)
    return made


@pytest.fixture
def every_z(model):
    values = torch.tensor([[0.0], [1.0]]) if model.encoder.factors is Bits else torch.eye(CATEGORIES)
    return torch.stack([torch.cat(z) for z in itertools.product(values, repeat=2)])


@pytest.fixture
def images():
    return (torch.rand(12, 4, 4, generator=torch.Generator().manual_seed(3)) < 0.4).float()


def log_p(model, images, every_z):
    """log Σ_z m(z) d(x|z) of each image, (N,)."""
    with torch.no_grad():
        log_marginal = model.marginal().log_prob(every_z)[:, None].double()
        return (log_marginal + model.decoder(every_z[:, None]).log_prob(images).double()).logsumexp(0)


def test_the_sum_over_all_z_is_that_of_a_naive_twin(model, every_z, images):
    z = enumerated.every_z(model.encoder)
    assert enumerated.count(model.encoder) == len(z) == len(every_z)
    assert {tuple(row) for row in z.tolist()} == {tuple(row) for row in every_z.tolist()}
    found = enumerated.log_likelihood(model, images, z)
    torch.testing.assert_close(found, log_p(model, images, every_z))


def test_likelihoods_of_all_images_sum_to_one(model, every_z):
    every_image = torch.tensor(list(itertools.product([0.0, 1.0], repeat=16))).view(-1, 4, 4)
    assert float(log_p(model, every_image, every_z).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_iwae_is_log_p_in_the_limit_and_the_elbo_is_below(model, every_z, images):
    truth = log_p(model, images, every_z).numpy()
    found = measure(model, images, (1, 200), rate_samples=200)
    gap, error = mean_and_error(truth - found.iwae[200])
    assert gap == pytest.approx(0, abs=4 * error + 5e-3)
    assert (truth - found.elbo).mean() > 0.02


def test_rate_and_distortion_are_those_of_sums(model, every_z, images):
    with torch.no_grad():
        log_encoder = model.encoder(images).log_prob(every_z[:, None]).double()
        log_ratio = log_encoder - model.marginal().log_prob(every_z)[:, None].double()
        log_decoder = model.decoder(every_z[:, None]).log_prob(images).double()
    weight = log_encoder.exp()
    assert weight.sum(0).numpy() == pytest.approx(1, abs=1e-5)
    found = measure(model, images.repeat(20, 1, 1), (1, 50), rate_samples=200)
    for name, truth in (("rate", (weight * log_ratio).sum(0)), ("distortion", -(weight * log_decoder).sum(0))):
        off, error = mean_and_error(getattr(found, name) - truth.repeat(20).numpy())
        assert off == pytest.approx(0, abs=4 * error + 1e-5), name
    rates = rate_by_dimension(model, images)
    if rates is not None:
        assert sum(rates) == pytest.approx(float((weight * log_ratio).sum(0).mean()), rel=1e-5)


def test_information_is_that_of_the_joint_table(model, every_z, images):
    """I(X;Z) of the split, and I(X;zᵢ) of each variable, from p(x, z) = e(z|x) / N."""
    with torch.no_grad():
        joint = model.encoder(images).log_prob(every_z[:, None]).double().exp() / len(images)
    truth = float((joint * (joint / joint.sum(1, keepdim=True) * len(images)).log()).sum())
    found, error = mean_and_error(mutual_information(model, images.repeat(80, 1, 1)))
    assert truth > 0.1 and found == pytest.approx(truth, abs=4 * error + 1e-3)
    each = []
    for places in every_z.view(len(every_z), 2, -1).unbind(1):
        values, index = places.unique(dim=0, return_inverse=True)
        table = torch.zeros(len(values), len(images), dtype=torch.float64).index_add_(0, index, joint)
        each.append(float((table * (table / table.sum(1, keepdim=True) * len(images)).log()).sum()))
    assert information_by_variable(model, images).tolist() == pytest.approx(each, abs=1e-6)
    assert active_units(model, images) == sum(nats > 0.01 for nats in each)
