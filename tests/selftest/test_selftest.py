import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from rdbench.config.family import parse_family
from rdbench.models import build
from rdbench.selftest import Check, check_estimators, check_family, densities


@pytest.mark.slow
def test_every_estimator_passes():
    failed = [check for check in check_estimators() if not check.passed]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("signs", ["---", "+-v", "-++"])
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

    def make(family, size):
        model = build(family, size)
        setattr(model, part, Encoder() if part == "encoder" else Marginal())
        return model

    return make


@pytest.mark.parametrize("part", ["encoder", "marginal"])
def test_a_wrong_density_is_found(part, monkeypatch):
    monkeypatch.setattr(densities, "build", broken(part))
    monkeypatch.setattr(densities, "K", 5)
    failed = [check.name for check in check_family(parse_family("---")) if not check.passed]
    assert any(name.startswith(part) for name in failed)


def test_a_check_passes_within_its_error_and_tolerance():
    assert Check("x", 1.0, 1.39, error=0.1).passed
    assert not Check("x", 1.0, 1.41, error=0.1).passed
    assert Check("x", 1.0, 1.005, tolerance=0.01).passed
    assert not Check("x", 1.0, math.nan, error=1.0).passed
