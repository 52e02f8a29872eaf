"""A mixture of Gaussians made in blocks has the density and gradients of torch's."""

from unittest.mock import patch

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from rdbench.models.distributions.mixture import mixture


def of_torch(logits, mean, deviation):
    return MixtureSameFamily(Categorical(logits=logits), Independent(Normal(mean, deviation), 1))


def of_ours(logits, mean, deviation):
    return mixture(logits, Independent(Normal(mean, deviation, validate_args=False), 1))


@given(
    components=st.integers(1, 7),
    dimensions=st.integers(1, 5),
    spread=st.sampled_from([1e-3, 1.0, 30.0]),
    narrow=st.sampled_from([1e-4, 0.1, 1.0]),
    block=st.sampled_from([1, 20, 2**19]),
    seed=st.integers(0, 1000),
)
def test_the_density_is_torchs_in_float64(components, dimensions, spread, narrow, block, seed):
    """Also where z is 1e5 deviations from a mean, and when z comes in several blocks."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(components, generator=draw)
    mean = torch.randn(components, dimensions, generator=draw) * spread
    deviation = torch.rand(components, dimensions, generator=draw) * narrow + narrow / 10
    far, near = torch.randn(3, 2, dimensions, generator=draw).double() * spread, mean[:1] + 1e-3
    z = torch.cat([far, near.expand(1, 2, -1)])
    expected = of_torch(logits.double(), mean.double(), deviation.double()).log_prob(z)
    with patch("rdbench.models.distributions.mixture.CACHED_NUMBERS", block):
        density = of_ours(logits, mean, deviation).log_prob(z)
    torch.testing.assert_close(density, expected, rtol=1e-9, atol=1e-5)


def test_gradients_are_torchs():
    torch.manual_seed(0)
    given_to_both = [torch.randn(4), torch.randn(4, 3), torch.rand(4, 3) + 0.1, torch.randn(5, 3)]
    gradients = []
    for made in (of_torch, of_ours):
        logits, mean, deviation, z = (values.clone().requires_grad_() for values in given_to_both)
        made(logits, mean, deviation).log_prob(z).sum().backward()
        gradients.append([values.grad for values in (logits, mean, deviation, z)])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_bfloat16_layers_leave_the_density_as_it_is():
    """Training runs under autocast, which rounds products of float32 to 8 bits."""
    logits, mean, deviation, z = torch.zeros(4), torch.randn(4, 3), torch.full((4, 3), 0.01), torch.randn(5, 3)
    expected = of_ours(logits, mean, deviation).log_prob(z)
    with torch.autocast("cpu", torch.bfloat16):
        density = of_ours(logits, mean, deviation).log_prob(z)
    assert density.dtype == torch.float32
    torch.testing.assert_close(density, expected, rtol=0, atol=0)
