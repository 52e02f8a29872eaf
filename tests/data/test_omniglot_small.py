import numpy as np
import pytest

from rdbench.data import load, omniglot_small, verify
from rdbench.data.omniglot_small import area_weights, shrink
from rdbench.errors import UserError


def test_shrinking_keeps_the_mean_and_averages_areas():
    image = np.random.default_rng(0).random((105, 105))
    assert shrink(image).mean() == pytest.approx(image.mean())
    fine = np.kron(image, np.ones((4, 4)))  # 420 = 15 · 28, so areas are whole blocks
    assert shrink(image) == pytest.approx(fine.reshape(28, 15, 28, 15).mean((1, 3)))
    assert area_weights(105, 28).sum(1) == pytest.approx(1)


def test_real_drawings_are_counted_once_and_split_within_characters(data_dir):
    dataset = verify("omniglot-small", data_dir)
    assert dataset.sizes == (242 * 14, 242 * 2, 242 * 4)
    load.cache_clear()
    assert load("omniglot-small", data_dir).sha256 == dataset.sha256


def test_a_truncated_zip_is_refused(data_dir, tmp_path):
    for name in omniglot_small.FILES:
        (tmp_path / name).write_bytes((data_dir / name).read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"small1.zip: it is truncated or unreadable"):
        omniglot_small.load(tmp_path)
