import math

import pytest

from rdbench.runs.schedule import learning_rate

STEPS = 1000


def rates(schedule, warmup=0.0):
    return [learning_rate(3e-3, step, STEPS, warmup, schedule) for step in range(STEPS)]


@pytest.mark.parametrize("warmup", [0.0, 0.1])
@pytest.mark.parametrize(
    ("schedule", "curve"),
    [
        ("constant", lambda u: 1),
        ("linear", lambda u: 1 - u),
        ("cosine", lambda u: math.cos(math.pi * u / 2) ** 2),
    ],
)
def test_after_the_warmup_the_rate_follows_its_curve(schedule, curve, warmup):
    """By the half-angle formula for the cosine; the first step of the curve is the last of the warm-up."""
    found, start = rates(schedule, warmup), int(warmup * STEPS)
    expected = [3e-3 * curve((step - start) / (STEPS - start)) for step in range(start, STEPS)]
    assert found[start:] == pytest.approx(expected, rel=1e-12)
    assert found[:start] == pytest.approx([3e-3 * (step + 1) / start for step in range(start)])
    assert min(found) > 0


def test_a_cosine_and_a_line_spend_the_same_in_sum():
    """Both have half the peak as their mean, the paper's schedule three quarters."""
    for schedule, mean in {"linear": 0.5, "cosine": 0.5, "paper": 0.75, "constant": 1.0}.items():
        assert sum(rates(schedule)) / STEPS == pytest.approx(3e-3 * mean, rel=2 / STEPS)
