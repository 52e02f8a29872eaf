"""Estimators against a linear-Gaussian model, whose log p(x), rate and distortion are known in closed form."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, TransformedDistribution, kl_divergence

from rdbench.measures.bounds import StreamingIWAE, mean_and_error, measure
from rdbench.models import VAE

NOISE = 0.5


class LinearEncoder(nn.Module):
    """N(Ax, s²I), the same as a transformed distribution where no closed form for the rate is wanted."""

    def __init__(self, weights, spread, hidden):
        super().__init__()
        self.weights, self.spread, self.hidden = weights, spread, hidden

    def forward(self, x):
        normal = Independent(Normal(x @ self.weights.T, self.spread.expand(len(x), -1)), 1)
        return TransformedDistribution(normal, []) if self.hidden else normal


class LinearDecoder(nn.Module):
    """N(Wz, σ²I)."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def forward(self, z):
        return Independent(Normal(z @ self.weights.T, NOISE), 1)


class StandardNormal(nn.Module):
    def forward(self):
        return Independent(Normal(torch.zeros(2), 1), 1)


@pytest.fixture
def weights():
    return torch.tensor([[1.0, 0.5], [0.0, 1.0], [-0.5, 0.3]])


@pytest.fixture
def data(weights):
    return torch.randn(300, 2) @ weights.T + NOISE * torch.randn(300, 3)


def exact_log_prob(weights, data):
    return MultivariateNormal(torch.zeros(3), weights @ weights.T + NOISE**2 * torch.eye(3)).log_prob(data)


def posterior(weights):
    """The exact p(z|x) = N(Ax, S) of the linear-Gaussian model: A and S."""
    covariance = torch.linalg.inv(torch.eye(2) + weights.T @ weights / NOISE**2)
    return covariance @ weights.T / NOISE**2, covariance


def make(weights, *, hidden=False):
    """A model whose encoder has the posterior's mean and only about its spread."""
    gain, covariance = posterior(weights)
    return VAE(LinearEncoder(gain, covariance.diagonal().sqrt(), hidden), LinearDecoder(weights), StandardNormal())


def exact_gap(weights):
    """KL of that encoder from the exact posterior, the same for every x."""
    _, covariance = posterior(weights)
    diagonal = MultivariateNormal(torch.zeros(2), torch.diag(covariance.diagonal()))
    return kl_divergence(diagonal, MultivariateNormal(torch.zeros(2), covariance)).item()


@pytest.mark.parametrize("hidden", [False, True], ids=["closed form", "sampled"])
def test_elbo_is_log_p_less_the_encoders_gap(weights, data, hidden):
    row = measure(make(weights, hidden=hidden), data, iwae=(50,), rate_samples=200)
    difference = row.elbo - exact_log_prob(weights, data).numpy()
    assert difference.mean() == pytest.approx(
        -exact_gap(weights), abs=4 * difference.std() / math.sqrt(len(difference))
    )


def test_sampled_and_exact_rates_agree(weights, data):
    exact = measure(make(weights), data).rate
    sampled = measure(make(weights, hidden=True), data, rate_samples=400).rate
    difference = sampled - exact
    assert difference.mean() == pytest.approx(0, abs=4 * difference.std() / math.sqrt(len(difference)))
    assert np.corrcoef(sampled, exact)[0, 1] > 0.99


def test_iwae_climbs_from_elbo_to_log_p(weights, data):
    measures = measure(make(weights), data, iwae=(1, 10, 1000))
    truth = exact_log_prob(weights, data).numpy()
    gaps = [(truth - measures.iwae[k]).mean() for k in (1, 10, 1000)]
    assert gaps[0] == pytest.approx(exact_gap(weights), rel=0.05)
    assert gaps[0] > gaps[1] > gaps[2]
    assert abs(gaps[2]) < 0.002


@given(
    weights=st.lists(st.floats(-1000, 50), min_size=1, max_size=40),
    k=st.integers(1, 12),
    pieces=st.lists(st.integers(1, 7), min_size=1),
)
def test_streaming_equals_the_whole_at_once(weights, k, pieces):
    log_weights = torch.tensor(weights, dtype=torch.float64)[:, None]
    if len(weights) < k:
        return
    stream, start = StreamingIWAE(k, 1), 0
    while start < len(weights):
        size = pieces[start % len(pieces)]
        stream.update(log_weights[start : start + size])
        start += size
    groups = log_weights[: len(weights) // k * k].reshape(-1, k)
    expected = (torch.logsumexp(groups, 1) - math.log(k)).mean()
    torch.testing.assert_close(stream.value()[0], expected)


def test_parts_sum_to_the_total_and_errors_are_of_the_mean(weights, data):
    measures = measure(make(weights), data, iwae=(1,))
    row = measures.summary()
    assert -row["elbo"] == row["rate"] + row["distortion"]
    assert row["elbo_se"] == pytest.approx(np.std(measures.elbo, ddof=1) / math.sqrt(len(data)))


def test_one_image_has_no_standard_error():
    assert math.isnan(mean_and_error(np.array([1.0]))[1])


def test_a_collapsed_rate_is_resolved_without_a_closed_form():
    """With an encoder that is off the marginal by 4e-4 nats, the estimate finds it to a tenth."""
    shift = math.sqrt(2 * 4e-4)
    encoder = LinearEncoder(torch.zeros(2, 3), torch.ones(2), hidden=True)
    encoder_of = encoder.forward
    encoder.forward = lambda x: TransformedDistribution(
        Independent(Normal(encoder_of(x).base_dist.mean + torch.tensor([shift, 0.0]), 1.0), 1), []
    )
    model = VAE(encoder, LinearDecoder(torch.zeros(3, 2)), StandardNormal())
    row = measure(model, torch.randn(2000, 3), rate_samples=256).summary()
    assert row["rate"] == pytest.approx(4e-4, abs=4 * row["rate_se"])
    assert row["rate_se"] < 5e-5


class Hungry(LinearDecoder):
    """A decoder for which memory lasts for 30 images at once."""

    def forward(self, z):
        if z.shape[-2] > 30:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(z)


def test_a_split_that_does_not_fit_into_memory_is_measured_in_halves(weights, data):
    whole = make(weights)
    halves = VAE(whole.encoder, Hungry(weights), whole.marginal)
    expected, found = (measure(model, data, iwae=(50,)) for model in (whole, halves))
    assert np.array_equal(found.rate, expected.rate)  # exact, so that order shows
    difference = found.iwae[50] - expected.iwae[50]
    assert len(difference) == len(data) and np.abs(difference).max() < 1
    assert difference.mean() == pytest.approx(0, abs=4 * difference.std() / math.sqrt(len(difference)))


def test_memory_that_does_not_last_for_one_image_is_told(weights, data, monkeypatch):
    monkeypatch.setattr(LinearDecoder, "forward", lambda decoder, z: Hungry.forward(decoder, torch.empty(1, 31, 2)))
    with pytest.raises(torch.OutOfMemoryError):
        measure(make(weights), data)
