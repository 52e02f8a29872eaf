import pytest
import torch

from rdbench.models import Terms
from rdbench.objectives import BetaVAE

TERMS = Terms(torch.tensor([[3.0, 5.0]]), torch.tensor([[-70.0, -90.0]]), torch.tensor([[-1.0, -3.0]]))


@pytest.mark.parametrize(("beta", "loss"), [(0.0, 80.0), (1.0, 86.0), (0.5, 83.0)])
def test_the_loss_is_distortion_plus_beta_times_rate(beta, loss):
    assert BetaVAE(beta)(TERMS, step=0).item() == pytest.approx(loss)


def test_an_annealed_loss_weighs_the_rate_by_the_step():
    objective = BetaVAE(2.0, anneal_steps=4)
    assert [objective(TERMS, step).item() for step in (0, 1, 4, 9)] == pytest.approx([80, 83, 92, 92])
