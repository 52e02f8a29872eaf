import math

import numpy as np
import pytest

from rdbench.data import load
from rdbench.data.dataset import pack
from rdbench.data.trivial import independent_pixels


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
