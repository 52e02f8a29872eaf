import numpy as np
import pytest
import torch
from torch import nn

from rdbench.config.run_config import make_run
from rdbench.errors import UserError
from rdbench.runs.average import Average

TAKEN, SKIPPED = torch.tensor(0.0), torch.tensor(1.0)


class Some(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2))
        self.shared = self.weight
        self.register_buffer("moving", torch.zeros(2))
        self.register_buffer("started", torch.tensor(False))
        self.register_buffer("mask", torch.full((2,), -torch.inf), persistent=False)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_the_average_is_the_weighted_sum_of_all_weights_so_far(decay):
    """In NumPy by the definition: the weights of step n count (1 − dₙ) times the later d."""
    model, draws = Some(), np.random.default_rng(0).normal(size=(200, 3, 2))
    average = Average(model, decay)
    ds = [min(decay, (1 + n) / (10 + n)) for n in range(1, 201)]
    for n, draw in enumerate(draws, 1):
        with torch.no_grad():
            model.weight.copy_(torch.from_numpy(draw))
            model.moving.copy_(model.weight[0])
            model.started.fill_(n > 100)
        average.update(TAKEN)
        parts = [(1 - ds[i]) * np.prod(ds[i + 1 : n]) for i in range(n)]
        assert sum(parts) + np.prod(ds[:n]) == pytest.approx(1)
        expected = np.tensordot(parts, draws[:n], 1)
        np.testing.assert_allclose(average.model.weight.detach().numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(average.model.moving.numpy(), expected[0], atol=1e-5)
        assert bool(average.model.started) == (n > 100)
    assert average.model.shared is average.model.weight
    assert (average.model.mask == -torch.inf).all()


def test_a_step_that_is_skipped_changes_nothing():
    model = Some()
    average = Average(model, 0.9)
    with torch.no_grad():
        model.weight.normal_()
    average.update(TAKEN)
    before = {name: value.clone() for name, value in average.tensors().items()}
    with torch.no_grad():
        model.weight.normal_()
    average.update(SKIPPED)
    assert all(torch.equal(value, before[name]) for name, value in average.tensors().items())
    average.update(TAKEN)
    assert not torch.equal(average.model.weight, before["model.weight"])


def test_the_toy_takes_no_average():
    toy = {"dataset": "toy", "encoder": "discrete", "decoder": "discrete", "marginal": "discrete"}
    with pytest.raises(UserError, match=r"average 0\.9: the toy keeps its tables as trained"):
        make_run({**toy, "average": 0.9})
