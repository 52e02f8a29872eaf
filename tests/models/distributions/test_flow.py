import math

import pytest
import torch
from torch.distributions import Independent, Normal

from rdbench.models.distributions.flow import Shift, inverse_autoregressive, masked_autoregressive
from rdbench.models.nn.made import MADE

DIMENSIONS = 5


@pytest.fixture
def steps():
    return [Shift(MADE(DIMENSIONS, 20, backward=step % 2 == 1).double(), cache_size=1) for step in range(3)]


@pytest.fixture
def base():
    return Independent(Normal(torch.zeros(DIMENSIONS).double(), 1), 1)


@pytest.mark.parametrize("backward", [False, True])
def test_a_step_is_undone_by_its_inverse_and_keeps_volume(backward):
    step = Shift(MADE(DIMENSIONS, 20, backward=backward).double())
    x = torch.randn(4, DIMENSIONS, dtype=torch.float64)
    torch.testing.assert_close(step.inv(step(x)), x)
    torch.testing.assert_close(step(step.inv(x)), x)
    for row in x:
        log_det = torch.linalg.slogdet(torch.autograd.functional.jacobian(step, row)).logabsdet
        torch.testing.assert_close(step.log_abs_det_jacobian(row, step(row)), log_det)


@pytest.mark.parametrize("flow", [inverse_autoregressive, masked_autoregressive])
def test_the_density_is_the_base_at_the_preimage_with_autograds_jacobian(flow, steps, base):
    distribution = flow(base, steps)
    z = distribution.sample((3,))
    for row, value in zip(z, distribution.log_prob(z), strict=True):
        preimage = row
        for transform in reversed(distribution.transforms):
            preimage = transform.inv(preimage)

        def forward(u):
            for transform in distribution.transforms:
                u = transform(u)
            return u

        log_det = torch.linalg.slogdet(torch.autograd.functional.jacobian(forward, preimage)).logabsdet
        torch.testing.assert_close(value, base.log_prob(preimage) - log_det)


def test_iaf_and_maf_are_mirror_images(steps, base):
    iaf, maf = inverse_autoregressive(base, steps), masked_autoregressive(base, steps)
    u = torch.randn(4, DIMENSIONS, dtype=torch.float64)
    forth = back = u
    for step in steps:
        forth = step(forth)
    for step in reversed(steps):
        back = step(back)
    torch.testing.assert_close(iaf.log_prob(forth), base.log_prob(u))
    torch.testing.assert_close(maf.log_prob(u), base.log_prob(back))


def test_a_fresh_sample_needs_no_inverse(steps, base, monkeypatch):
    distribution = inverse_autoregressive(base, steps)
    z = distribution.rsample((4,))
    expected = distribution.log_prob(z.clone())
    z = distribution.rsample((4,))
    monkeypatch.setattr(Shift, "_inverse", lambda *_: pytest.fail("inverted"))
    assert distribution.log_prob(z).shape == expected.shape


def test_maf_integrates_to_one():
    steps = [Shift(MADE(2, 20, backward=step % 2 == 1)) for step in range(4)]
    grid = torch.cartesian_prod(*[torch.arange(-8, 8, 0.05)] * 2)
    density = masked_autoregressive(Independent(Normal(torch.zeros(2), 1), 1), steps).log_prob(grid).exp()
    assert density.sum().item() * 0.05**2 == pytest.approx(1, abs=1e-3)
    assert math.isfinite(density.max().item())
