import math

import numpy as np
import pytest

from rdbench.data import load
from rdbench.data.dataset import pack
from rdbench.data.trivial import independent_pixels, why_untrained


def test_independent_pixels_are_the_log_density_of_a_table_of_means():
    """Against sums pixel by pixel, also where a pixel is always or never ink in what the means come from."""
    generator = np.random.default_rng(0)
    train, images = (generator.random((count, 8, 8)) < 0.3 for count in (7, 5))
    train[:, 0, 0], train[:, 0, 1] = False, True
    expected = []
    for image in images:
        nats = 0.0
        for row in range(8):
            for column in range(8):
                p = (sum(train[:, row, column]) + 0.5) / 8
                nats -= math.log(p if image[row, column] else 1 - p)
        expected.append(nats)
    assert independent_pixels(pack(train), pack(images)) == pytest.approx(expected, rel=1e-12)


def test_independent_pixels_of_static_mnist(data_dir):
    mnist = load("mnist", data_dir)
    assert independent_pixels(mnist.train, mnist.test).mean() == pytest.approx(205.8, abs=0.05)


ROW = {"dataset": "mine.npz", "rate": 600.0, "elbo": -601.0, "elbo_se": 0.1, "distortion": 1.0, "distortion_se": 0.1}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "−ELBO 601 ± 0.1 nats is worse than the 543.4 of fair coins; "),
        ({"image_side": 32}, None),
        ({"allow_untrained": True}, None),
        ({"elbo": -544.0, "elbo_se": math.nan}, "543.4 of fair coins"),
        ({"dataset": "toy", "elbo": -3.5, "elbo_se": 0.0}, "−ELBO 3.5 ± 0 nats is worse than the 3.401 of guessing"),
        ({"dataset": "toy", "elbo": -3.4, "elbo_se": 0.0}, None),
        ({"labels": "digit", "classes": 10}, None),  # whatever R is
        ({"labels": "digit", "classes": 10, "distortion_se": math.nan}, None),
        ({"labels": "digit", "classes": 10, "distortion": 2.7}, "D 2.7 ± 0.1 nats is worse than the 2.303 of guessing"),
        ({"labels": "digit", "classes": 10, "distortion": 2.5}, None),  # within 3 standard errors
    ],
)
def test_a_run_is_compared_with_what_knows_nothing_of_its_dataset(changes, told):
    why = why_untrained(ROW | changes)
    assert why is None if told is None else told in why
