import math

import numpy as np
import pytest
import torch

from rdbench.config.run_config import make_run
from rdbench.models import Terms
from rdbench.runs.objectives import IWAE, BetaVAE, FreeBits, TargetRate, TargetRatePenalty, make_objective

START = torch.tensor(0)
"""No step is done yet."""

TERMS = Terms(torch.tensor([[3.0, 5.0]]), torch.tensor([[-70.0, -90.0]]), torch.tensor([[-1.0, -3.0]]))
"""R = 6 and D = 80."""


@pytest.mark.parametrize(("beta", "loss"), [(0.0, 80.0), (1.0, 86.0), (0.5, 83.0)])
def test_the_loss_is_distortion_plus_beta_times_rate(beta, loss):
    assert BetaVAE(beta)(TERMS, START).item() == pytest.approx(loss)


@pytest.mark.parametrize(("start", "losses"), [(0.0, [80, 83, 92, 92]), (6.0, [116, 110, 92, 92])])
def test_an_annealed_loss_weighs_the_rate_by_the_step_upward_or_downward(start, losses):
    objective = BetaVAE(2.0, start, anneal_steps=4)
    assert [objective(TERMS, torch.tensor(step)).item() for step in (0, 1, 4, 9)] == pytest.approx(losses)


@pytest.mark.parametrize(("free", "loss", "beta"), [(4.0, 86.0, 1.0), (10.0, 90.0, 0.0)])
def test_free_bits_ask_nothing_below_their_number(free, loss, beta):
    objective = FreeBits(free)
    assert objective(TERMS, START).item() == pytest.approx(loss)
    assert objective.beta.item() == beta


@pytest.mark.parametrize(("target", "loss", "beta"), [(4.0, 82.0, 1.0), (10.0, 84.0, -1.0)])
def test_the_penalty_is_the_distance_from_the_target(target, loss, beta):
    objective = TargetRatePenalty(target)
    assert objective(TERMS, START).item() == pytest.approx(loss)
    assert objective.beta.item() == beta


def test_iwae_is_the_mean_of_log_mean_weights():
    terms = Terms(*torch.randn(3, 7, 4))
    weights = np.exp(terms.log_decoder.numpy() + terms.log_marginal.numpy() - terms.log_encoder.numpy())
    assert IWAE(7)(terms, START).item() == pytest.approx(-np.log(weights.mean(0)).mean(), rel=1e-5)


def test_the_multiplier_rises_while_the_rate_is_too_high_and_falls_while_it_is_too_low():
    for target, direction in ((2.0, 1), (20.0, -1)):
        objective = TargetRate(target)
        betas = [(objective(TERMS, START), objective.beta.item())[1] for _ in range(50)]
        assert (np.diff(betas) * direction > 0).all()
    assert TargetRate(6.0)(TERMS, START).item() == pytest.approx(86)  # at the target, β stays 1


def test_the_multiplier_stays_finite_whatever_cannot_be_reached():
    objective = TargetRate(1000.0)
    for _ in range(5000):
        objective(TERMS, START)
    assert 0 < objective.beta.item() < 1e-4


def test_a_multiplier_holds_the_rate_where_it_solves_a_convex_problem():
    """D = (R − 9)²/2 has its least at R = 9; to be held at 3, β must be 6."""
    rate = torch.tensor([[1.0]], requires_grad=True)
    optimizer = torch.optim.SGD([rate], lr=0.02)
    objective = TargetRate(3.0)
    for _ in range(4000):
        terms = Terms(rate, -((rate - 9) ** 2) / 2, torch.zeros(1, 1))
        optimizer.zero_grad()
        objective(terms, START).backward()
        optimizer.step()
    assert rate.item() == pytest.approx(3, abs=1e-3)
    assert objective.beta.item() == pytest.approx(6, abs=1e-2)


def test_models_side_by_side_have_a_loss_each():
    both = Terms(*(torch.stack([term, 2 * term]) for term in TERMS[:3]))
    for kind, setting in ((BetaVAE, 2.0), (TargetRate, 3.0), (TargetRatePenalty, 3.0), (FreeBits, 3.0), (IWAE, 1)):
        one, other = kind(setting).beside(2)(both, START).tolist()
        assert one == pytest.approx(kind(setting)(TERMS, START).item()) != other


def test_what_adapts_is_saved_with_the_state():
    objective, other = TargetRate(3.0), TargetRate(3.0)
    for _ in range(5):
        objective(TERMS, START)
    other.load_state_dict(objective.state_dict())
    assert other(TERMS, START).item() == objective(TERMS, START).item()


@pytest.mark.parametrize(
    "values",
    [
        {"objective": "target-rate", "target_rate": 3},
        {"objective": "target-rate-penalty", "target_rate": 3},
        {"objective": "free-bits", "free_nats": 3},
        {"objective": "iwae", "train_samples": 1},
        {"beta": 2, "anneal_epochs": 3, "anneal_from": 5},
    ],
)
def test_every_objective_is_made_from_its_description(values):
    objective = make_objective(make_run(values), steps_per_epoch=10)
    assert math.isfinite(objective(TERMS, START).item())
    assert objective.samples == 1
