import hashlib

import numpy as np
import pytest

from rdbench.data import Dataset, load
from rdbench.data.arrays import SIDES
from rdbench.data.dataset import pack, unpack
from rdbench.errors import UserError


def dataset_of(bits, side):
    """The same bits in every split, cut into images of that side."""
    return Dataset("mine", *[pack(bits.reshape(-1, side**2))] * 3)


@pytest.mark.parametrize("side", SIDES)
def test_images_of_every_side_come_back_as_they_were(side):
    images = np.random.default_rng(side).integers(0, 2, (3, side, side))
    dataset = dataset_of(images, side)
    assert dataset.side == side
    assert (dataset.images("valid") == images).all()
    assert dataset.images("valid").dtype == np.uint8


def test_the_same_bits_with_other_sides_are_other_data():
    bits = np.random.default_rng(0).integers(0, 2, 4 * 4 * 28 * 28 * 4)
    assert len({dataset_of(bits, side).sha256 for side in (8, 16, 28, 56)}) == 4


def test_at_the_papers_side_the_checksum_is_that_of_the_bits_alone():
    dataset = load("sprites")
    bits = b"".join(split.tobytes() for split in (dataset.train, dataset.valid, dataset.test))
    assert dataset.sha256 == hashlib.sha256(bits).hexdigest()


def test_a_split_that_is_none_is_refused():
    with pytest.raises(UserError, match="split: found 'tset'; expected train, valid or test"):
        load("sprites").images("tset")


def test_rows_come_first_and_the_left_pixel_is_the_highest_bit():
    images = np.zeros((1, 8, 8), int)
    images[0, 2, 0] = images[0, 3, 7] = 1
    assert pack(images).tolist() == [[0, 0, 128, 1, 0, 0, 0, 0]]
    assert (unpack(pack(images)) == images).all()
