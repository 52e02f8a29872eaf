import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from rdbench.config.family import Family, parse_family
from rdbench.config.parts import CATEGORICAL_GRADIENTS
from rdbench.measures.enumerated import every_z
from rdbench.models import build
from rdbench.models.estimators import Score
from rdbench.selftest import Check, check_estimators, check_family, densities, gradients


@pytest.mark.slow
def test_every_estimator_passes():
    failed = [check for check in check_estimators() if not check.passed]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize(
    "signs", ["---", "+-v", "-++", "bernoulli-deconv-factorised", "categorical-deconv-autoregressive"]
)
def test_families_pass(signs):
    failed = [check for check in check_family(parse_family(signs)) if not check.passed]
    assert not failed


def broken(part):
    """A family of which one part's density is not that of its samples."""

    class TooNarrow(Independent):
        def log_prob(self, value):
            return super().log_prob(value * 1.2)

    class Encoder(nn.Module):
        def forward(self, images):
            return TooNarrow(Normal(torch.zeros(len(images), 2), 1.0), 1)

    class Marginal(nn.Module):
        def forward(self):
            return TooNarrow(Normal(torch.zeros(2), 1.0), 1)

    def make(family, size, settings):
        model = build(family, size, settings)
        setattr(model, part, Encoder() if part == "encoder" else Marginal())
        return model

    return make


@pytest.mark.parametrize("part", ["encoder", "marginal"])
def test_a_wrong_density_is_found(part, monkeypatch):
    monkeypatch.setattr(densities, "build", broken(part))
    monkeypatch.setattr(densities, "K", 5)
    failed = [check.name for check in check_family(parse_family("---")) if not check.passed]
    assert any(name.startswith(part) for name in failed)


def biases(monkeypatch, encoder="categorical"):
    """The checks of gradients on a small model whose z matters, from few draws."""
    monkeypatch.setattr(gradients, "BATCHES", 4)
    torch.manual_seed(0)
    model = build(Family(encoder, "deconv", "factorised"), densities.SIZE, {"categories": 3})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.4 * torch.randn_like(parameter)
        z = every_z(model.encoder)
        return list(gradients.check_gradients(encoder, model, torch.ones(4, 4), z))


def test_the_bias_of_every_gradient_is_told_and_that_of_the_likelihood_ratio_judged(monkeypatch):
    checks = biases(monkeypatch)
    assert {check.name.split("=")[1].split(":")[0].split(",")[0] for check in checks} == set(CATEGORICAL_GRADIENTS)
    assert [check.verdict for check in checks] == ["passed"] * 2 + ["measured"] * 5
    assert max(check.estimate for check in checks if not check.judged) > 0.05


def test_a_biased_likelihood_ratio_is_found(monkeypatch):
    """Such as one whose baseline is most of the value itself, which leaves a tenth of the signal."""
    monkeypatch.setattr(Score, "baseline", lambda self, value: 0.9 * value)
    assert next(check.verdict for check in biases(monkeypatch)) == "FAILED"


def test_a_check_passes_within_its_error_and_tolerance():
    assert Check("x", 1.0, 1.39, error=0.1).passed
    assert not Check("x", 1.0, 1.41, error=0.1).passed
    assert Check("x", 1.0, 1.005, tolerance=0.01).passed
    assert not Check("x", 1.0, math.nan, error=1.0).passed
    assert Check("x", 0.0, 9.0, judged=False).verdict == "measured"
    assert Check("x", 0.0, math.nan, judged=False).verdict == "FAILED"
