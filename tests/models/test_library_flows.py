"""Flows of the library keep the contract of densities; what integrates to one is checked by the self-test."""

import pytest
import torch
from torch.distributions import Independent, Normal

from rdbench.config.family import Family
from rdbench.errors import UserError
from rdbench.models import Size, build, count_parameters

MARGINALS = ("realnvp", "affine_maf", "spline")


def moved(family, latent_dim=3):
    model = build(family, Size(width=0.03, latent_dim=latent_dim))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.double() if family.encoder == "gaussian" else model


@pytest.mark.parametrize("name", MARGINALS)
def test_the_density_is_that_of_the_base_by_the_jacobian(name):
    """log m(z) = log N(f(z)) + log |det ∂f/∂z|, the determinant by automatic differentiation."""
    marginal = moved(Family("gaussian", "deconv", name)).marginal.float()
    flow = marginal.flow()
    z = torch.randn(3)
    jacobian = torch.autograd.functional.jacobian(flow.transform, z)
    expected = Normal(0, 1).log_prob(flow.transform(z)).sum() + jacobian.det().abs().log()
    torch.testing.assert_close(marginal().log_prob(z), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(flow.transform.inv(flow.transform(z)), z, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", MARGINALS)
def test_weights_at_zero_give_the_normal_distribution(name):
    model = build(Family("gaussian", "deconv", name), Size(width=0.03, latent_dim=3))
    for parameter in model.marginal.parameters():
        torch.nn.init.zeros_(parameter)
    z = torch.randn(50, 3)
    expected = Independent(Normal(torch.zeros(3), 1.0), 1).log_prob(z)
    torch.testing.assert_close(model.marginal().log_prob(z), expected)


@pytest.mark.parametrize("name", MARGINALS)
def test_a_flow_is_scored_in_float32_under_autocast(name):
    marginal = moved(Family("gaussian", "deconv", name)).marginal.float()
    z = torch.randn(20, 3)
    plain = marginal().log_prob(z)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(marginal().log_prob(z), plain, rtol=0, atol=0)


def test_the_flows_are_about_as_large_as_maf():
    sizes = {}
    with torch.device("meta"):
        for name in ("maf", *MARGINALS):
            sizes[name] = count_parameters(build(Family("gaussian", "deconv", name), Size()).marginal)
    assert all(0.9 < sizes[name] / sizes["maf"] < 1.1 for name in MARGINALS), sizes


def test_more_dimensions_than_masks_are_made_for_are_refused():
    with torch.device("meta"), pytest.raises(UserError, match="latent_dim: found 1000000000"):
        build(Family("gaussian", "deconv", "spline"), Size(latent_dim=10**9))
