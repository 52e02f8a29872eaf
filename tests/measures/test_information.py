import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from rdbench.config.family import Family
from rdbench.measures.bounds import mean_and_error, measure
from rdbench.measures.information import active_units, generative_bounds, mutual_information, rate_by_dimension
from rdbench.models import VAE, Size, build


class Channel(nn.Module):
    """e(z|x) = N(gain · x, 1) in each dimension: I(X;Z) = ½ Σ log(1 + gain²) nats for x ~ N(0, I)."""

    def __init__(self, gain):
        super().__init__()
        self.gain = torch.tensor(gain)

    def forward(self, x):
        return Independent(Normal(self.gain * x, 1.0), 1)


def model_of(gain):
    return VAE(Channel(gain), nn.Identity(), nn.Identity())


@pytest.mark.parametrize("gain", [[0.0, 0.0], [0.5, 0.0], [2.0, 1.0]])
def test_mutual_information_is_that_of_a_gaussian_channel(gain):
    truth = 0.5 * sum(math.log(1 + value**2) for value in gain)
    found, error = mean_and_error(mutual_information(model_of(gain), torch.randn(4000, 2)))
    assert found == pytest.approx(truth, abs=4 * error + 2e-3)


@pytest.mark.parametrize("gain", [[1e-3, 0.0], [0.02, 0.0]])
def test_near_collapse_it_stays_within_its_error_of_zero(gain):
    for _ in range(5):
        found, error = mean_and_error(mutual_information(model_of(gain), torch.randn(1000, 2)))
        truth = 0.5 * math.log(1 + gain[0] ** 2)
        assert abs(found - truth) < 4 * error + 1e-4


def test_it_never_exceeds_the_logarithm_of_the_number_of_images():
    found, error = mean_and_error(mutual_information(model_of([1000.0, 1000.0]), torch.randn(50, 2)))
    assert found == pytest.approx(math.log(50))
    assert error == pytest.approx(0, abs=1e-6)


def test_a_flow_that_images_share_changes_nothing():
    model = build(Family("iaf", "deconv", "gaussian"), Size(width=0.05, latent_dim=4))
    images = (torch.rand(300, 28, 28) < 0.3).float()
    found, error = mean_and_error(mutual_information(model, images))
    without = VAE(model.encoder.gaussian, nn.Identity(), nn.Identity())
    plain, plain_error = mean_and_error(mutual_information(without, images))
    assert found == pytest.approx(plain, abs=4 * math.hypot(error, plain_error))


def test_active_units_are_those_whose_mean_moves():
    assert active_units(model_of([1.0, 0.3, 0.05, 0.0]), torch.randn(500, 4)) == 2


@pytest.mark.parametrize("encoder", ["gaussian", "iaf"])
def test_no_unit_of_a_collapsed_encoder_is_active_on_however_few_images(encoder):
    model = build(Family(encoder, "deconv", "gaussian"), Size(width=0.05, latent_dim=64))
    gaussian = model.encoder if encoder == "gaussian" else model.encoder.gaussian
    for layer in (gaussian.mean, gaussian.variance):
        nn.init.zeros_(layer.weight)
    assert [active_units(model, (torch.rand(50, 28, 28) < 0.3).float()) for _ in range(5)] == [0] * 5


def test_nothing_is_measured_in_tf32_or_without_cudnn_and_training_is_left_as_it_was(monkeypatch):
    """A GPU's flags are read wherever a model is asked; there need be none."""
    model = build(Family("gaussian", "deconv", "gaussian"), Size(width=0.05, latent_dim=4))
    images, asked = (torch.rand(10, 28, 28) < 0.3).float(), []
    for part in (model.encoder, model.decoder):
        part.register_forward_pre_hook(
            lambda *_: asked.append((torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32))
        )
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    for measures in (measure, mutual_information, active_units, rate_by_dimension):
        measures(model, images)
    generative_bounds(model, 3, 2)
    assert set(asked) == {(True, False)} and len(asked) >= 7
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("marginal", ["gaussian", "vamp"])
def test_the_rates_of_dimensions_sum_to_the_rate_where_they_are_defined(marginal):
    model = build(Family("gaussian", "deconv", marginal), Size(width=0.05, latent_dim=4, pseudo_inputs=3))
    images = (torch.rand(50, 28, 28) < 0.3).float()
    rates = rate_by_dimension(model, images)
    if marginal == "vamp":
        assert rates is None
    else:
        assert len(rates) == 4
        assert sum(rates) == pytest.approx(measure(model, images).rate.mean(), rel=1e-5)


@pytest.mark.parametrize("encoder", ["gaussian", "iaf"])
@pytest.mark.parametrize("marginal", ["gaussian", "maf", "vamp"])
def test_generative_bounds_are_in_order_and_sum(encoder, marginal):
    model = build(Family(encoder, "deconv", marginal), Size(width=0.05, latent_dim=4, pseudo_inputs=3))
    row = generative_bounds(model, 200, 5)
    assert row["generative_e"] <= row["generative_g"] + 3 * (row["generative_e_se"] + row["generative_g_se"])
    assert row["generative_g"] > -3 * row["generative_g_se"]
    assert all(math.isfinite(value) for value in row.values())
