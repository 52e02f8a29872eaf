import math

import numpy as np
import pytest
from scipy.special import logsumexp

from rdbench.data import DATASETS, load, sprites
from rdbench.data.dataset import pack, unpack


def test_templates_are_distinct_and_many():
    assert len(np.unique(sprites.templates(), axis=0)) == len(sprites.templates()) >= 1024


def test_log_prob_is_the_mixture_written_out():
    images = unpack(load("sprites").test[:3]).reshape(3, -1)
    for image, value in zip(images, sprites.log_prob(pack(images)), strict=True):
        probability = np.where(sprites.templates() == image, 1 - sprites.FLIP, sprites.FLIP)
        assert value == pytest.approx(logsumexp(np.log(probability).sum(1)) - math.log(len(sprites.templates())))


def test_log_prob_averages_to_minus_the_entropy():
    dataset = load("sprites")
    for split in (dataset.train, dataset.valid, dataset.test):
        log_prob = dataset.log_prob(split)
        error = log_prob.std() / math.sqrt(len(log_prob))
        assert log_prob.mean() == pytest.approx(-dataset.entropy, abs=3 * error)


def test_entropy_is_exact_to_many_digits():
    assert 0 <= sprites.entropy_error() < 1e-12


def test_entropy_agrees_with_a_large_fresh_sample():
    generator = np.random.default_rng(7)
    clean = sprites.templates()[generator.integers(len(sprites.templates()), size=20_000)]
    log_prob = sprites.log_prob(pack(clean ^ (generator.random(clean.shape) < sprites.FLIP)))
    assert log_prob.mean() == pytest.approx(-sprites.entropy(), abs=4 * log_prob.std() / math.sqrt(len(log_prob)))


def test_splits_have_the_recorded_sizes_and_bits():
    dataset = load("sprites")
    assert dataset.sizes == (10_000, 1_000, 2_000)
    assert dataset.sha256 == DATASETS["sprites"].sha256
