"""A linear-Gaussian model, whose log p(x) is known, beside annealed importance sampling."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from rdbench.config.family import Family
from rdbench.measures.annealed import Annealed, backward, forward, pilot, simulated, temperatures
from rdbench.models import VAE, Size, build
from rdbench.models.marginals import GaussianMarginal

NOISE = 0.5


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.tensor([[1.0, 0.5], [-0.4, 1.2], [0.3, 0.3]])

    def forward(self, z):
        return Independent(Normal(z @ self.weight.T, NOISE), 1)


@pytest.fixture
def model():
    return VAE(nn.Identity(), Decoder(), GaussianMarginal(Size(latent_dim=2), nn.Identity()))


def truth(model, x):
    weight = model.decoder.weight
    return MultivariateNormal(torch.zeros(3), weight @ weight.T + NOISE**2 * torch.eye(3)).log_prob(x).double()


def bounds(model, count, images=30, chains=4):
    path, u = simulated(model, images)
    schedule = temperatures(count)
    steps = pilot(path, schedule, chains)
    found = forward(path, schedule, steps, chains)
    return found, backward(path, u, schedule, steps, chains), truth(model, path.images)


def test_both_bounds_enclose_log_p_and_close_in(model):
    gaps = []
    for count in (4, 40):
        found, upper, log_p = bounds(model, count)
        for slack in (log_p - found.log_mean, upper - log_p):
            assert slack.mean() > -3 * slack.std() / len(slack) ** 0.5
        gaps.append(float((upper - found.log_mean).mean()))
    assert 0 < gaps[1] < gaps[0] / 3
    assert float((found.log_mean - log_p).mean()) == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_mean_weight_is_p_at_any_number_of_temperatures(model, count):
    x = torch.tensor([[0.4, 0.8, 0.1]])
    path = Annealed(model, x)
    schedule = temperatures(count)
    found = forward(path, schedule, [0.2] * count, 20_000)
    ratio = (found.log_weights - truth(model, x)).exp()[:, 0]
    assert float(ratio.mean()) == pytest.approx(1, abs=4 * float(ratio.std()) / 20_000**0.5)


class Encoder(nn.Module):
    """The posterior of the linear model with so many times its spread."""

    def __init__(self, weight, stretch):
        super().__init__()
        covariance = torch.linalg.inv(torch.eye(2) + weight.T @ weight / NOISE**2)
        self.gain, self.covariance = covariance @ weight.T / NOISE**2, stretch**2 * covariance

    def forward(self, x):
        return MultivariateNormal(x @ self.gain.T, self.covariance)


def bounds_from_encoder(model, stretch, count, images=30, chains=4):
    model = VAE(Encoder(model.decoder.weight, stretch), model.decoder, model.marginal)
    path, u = simulated(model, images, from_encoder=True)
    schedule = temperatures(count)
    steps = pilot(path, schedule, chains)
    below = forward(path, schedule, steps, chains).log_mean
    return below, backward(path, u, schedule, steps, chains), truth(model, path.images)


def test_from_the_posterior_every_weight_is_p_and_one_temperature_is_enough(model):
    below, upper, log_p = bounds_from_encoder(model, 1.0, 1)
    torch.testing.assert_close(below, log_p, atol=1e-4, rtol=0)
    torch.testing.assert_close(upper, log_p, atol=1e-4, rtol=0)


def test_from_a_wide_encoder_both_bounds_enclose_log_p_and_close_in(model):
    gaps = []
    for count in (1, 12):
        below, upper, log_p = bounds_from_encoder(model, 3.0, count)
        for slack in (log_p - below, upper - log_p):
            assert slack.mean() > -3 * slack.std() / len(slack) ** 0.5
        gaps.append(float((upper - below).mean()))
    assert 0 < gaps[1] < gaps[0] / 2


def test_points_of_the_curve_are_those_of_the_tempered_posterior(model):
    """At t the posterior is normal, with precision I + t WᵀW/σ²; R and D in closed form."""
    x = torch.tensor([[0.4, 0.8, 0.1]])
    path, schedule = Annealed(model, x), temperatures(20)
    found = forward(path, schedule, pilot(path, schedule, 200), 2000)
    t, w = schedule[10], model.decoder.weight
    covariance = torch.linalg.inv(torch.eye(2) + t * w.T @ w / NOISE**2)
    mean = covariance @ (t * w.T @ x[0] / NOISE**2)
    rate = 0.5 * (covariance.trace() + mean @ mean - 2 - covariance.logdet())
    error = ((x[0] - w @ mean) ** 2).sum() + (w @ covariance @ w.T).trace()
    distortion = 0.5 * error / NOISE**2 + 1.5 * math.log(2 * math.pi * NOISE**2)
    assert found.rate[9] == pytest.approx(float(rate), abs=0.06)
    assert found.distortion[9] == pytest.approx(float(distortion), abs=0.1)


def test_an_iaf_and_vamp_family_is_walked_without_an_inverse(monkeypatch):
    from rdbench.models.distributions.flow import Shift

    model = build(Family("iaf", "deconv", "vamp"), Size(width=0.02, latent_dim=2, pseudo_inputs=3, image_side=8))
    monkeypatch.setattr(Shift, "_inverse", lambda *_: pytest.fail("inverted"))
    path, u = simulated(model, 3)
    schedule = temperatures(3)
    steps = pilot(path, schedule, 2)
    assert forward(path, schedule, steps, 2).log_weights.isfinite().all()
    assert backward(path, u, schedule, steps, 2).shape == (3,)
