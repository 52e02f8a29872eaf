import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from rdbench.data import toy


def test_the_class_is_half_a_nat_of_x():
    joint = toy.joint()
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    information = sum(p * np.log(p / q) for p, q in zip(joint.ravel(), independent.ravel(), strict=True))
    assert information == pytest.approx(0.5, abs=1e-6)
    assert toy.information(joint) == pytest.approx(information, abs=1e-12)


def test_it_is_a_distribution_with_seven_tenths_in_class_one():
    assert toy.joint().shape == (2, 30)
    assert toy.joint().sum() == pytest.approx(1, abs=1e-12)
    assert toy.joint().sum(1) == pytest.approx([0.3, 0.7])


@pytest.mark.parametrize("bin_index", [1, 14, 28])
def test_a_bin_holds_the_integral_over_it(bin_index):
    low = -1 + bin_index * 2 / 30
    for probability, sign, found in zip((0.3, 0.7), (-1, 1), toy.joint()[:, bin_index], strict=True):
        density = norm(sign * toy.separation(), 0.2).pdf
        assert found == pytest.approx(probability * quad(density, low, low + 2 / 30)[0], rel=1e-6)


def test_entropy_is_that_of_x():
    assert toy.entropy() == pytest.approx(-sum(p * np.log(p) for p in toy.joint().sum(0)))
