import pytest
import torch
from torch import nn

from rdbench.config.run_config import RunConfig
from rdbench.models import make_model
from rdbench.runs.gradients import UnitGradients

CONFIG = RunConfig(encoder="iaf", decoder="pixelcnn", width=0.05, latent_dim=4)


def with_gradients():
    """A model, in which gradients of all layouts are far from 1 in size."""
    torch.manual_seed(0)
    model = make_model(CONFIG)
    terms = model((torch.rand(8, 28, 28) < 0.2).float())
    (terms.rate + 1000 * terms.distortion).mean().backward()
    return model


@pytest.mark.parametrize("spread", [False, True])
def test_each_gradient_is_divided_by_its_own_norm(spread):
    model, naive = with_gradients(), with_gradients()
    norms = UnitGradients(model.parameters(), spread)()
    for parameter, other, norm in zip(model.parameters(), naive.parameters(), norms, strict=True):
        assert norm.item() == pytest.approx(other.grad.square().sum().sqrt().item(), rel=1e-5)
        torch.testing.assert_close(parameter.grad, other.grad / norm, rtol=1e-6, atol=0)
        assert parameter.grad.norm().item() == pytest.approx(1, abs=1e-4)


def test_both_ways_give_the_same_bits():
    one, other = with_gradients(), with_gradients()
    assert (UnitGradients(one.parameters(), spread=False)() == UnitGradients(other.parameters(), spread=True)()).all()
    for parameter, same in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(parameter.grad, same.grad)


def test_divisors_have_the_layout_of_gradients():
    """Else torch divides one tensor after the other."""
    model = with_gradients()
    unit = UnitGradients(model.parameters(), spread=True)
    unit()
    for parameter, divisor in zip(model.parameters(), unit.divisors, strict=True):
        assert divisor.stride() == parameter.grad.stride() == parameter.stride()


@pytest.mark.parametrize("spread", [False, True])
def test_a_zero_gradient_stays_zero_and_a_missing_one_missing(spread):
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 3)])
    unit = UnitGradients(layers.parameters(), spread)
    (0 * layers[0](torch.ones(1, 2))).sum().backward()
    assert unit().tolist() == [0, 0]
    assert (layers[0].weight.grad == 0).all() and layers[1].weight.grad is None
    layers[1](torch.ones(1, 2)).sum().backward()  # from now on there are more of them
    unit()
    assert layers[1].weight.grad.norm().item() == pytest.approx(1)
