import numpy as np
import pytest
import torch

from rdbench.config.binarise import Binarise
from rdbench.data import checksum, load
from rdbench.data.dataset import unpack
from rdbench.data.grey import binarised
from rdbench.errors import UserError

BYTES = np.random.default_rng(0).integers(0, 256, (2500, 8, 8)).astype(np.uint8)  # more than are drawn at once
LEVELS = BYTES / 255
THRESHOLD, DRAWN = Binarise("threshold"), Binarise("bernoulli", 7)


def bits(images, binarise):
    (packed,) = binarised({"mine": images}, binarise)
    return unpack(packed)


@pytest.mark.parametrize("binarise", [THRESHOLD, DRAWN], ids=lambda binarise: binarise.how)
@pytest.mark.parametrize(
    "images",
    [BYTES, BYTES.astype(float), BYTES.reshape(-1, 64), LEVELS, torch.from_numpy(BYTES), torch.from_numpy(LEVELS)],
)
def test_either_scale_and_any_type_give_the_same_bits(images, binarise):
    assert (bits(images, binarise) == bits(BYTES, binarise)).all()


def test_threshold_is_half_of_the_full_level():
    assert (bits(BYTES, THRESHOLD) == (BYTES > 127)).all()


def test_bernoulli_draws_once_for_each_pixel_in_order():
    expected = np.random.Generator(np.random.PCG64(7)).random(LEVELS.shape) < LEVELS
    assert (bits(BYTES, DRAWN) == expected).all()
    assert (bits(BYTES, DRAWN) != bits(BYTES, Binarise("bernoulli", 8))).mean() > 0.2


def test_splits_share_one_scale_and_one_stream_of_draws():
    dim = np.minimum(BYTES[:10], 1)  # 0 and 1 of 255, all but black
    train, test = binarised({"train": BYTES, "test": dim}, DRAWN)
    assert unpack(test).mean() < 0.1
    both = np.random.Generator(np.random.PCG64(7)).random((2510, 8, 8)) < np.concatenate([BYTES, dim]) / 255
    assert (unpack(np.concatenate([train, test])) == both).all()


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (LEVELS - 0.5, "found levels from -0.5 to 0.5; expected grey levels of 0 to 1, or 0 to 255"),
        (BYTES.astype(int) * 2, "found levels from 0 to 510"),
        (LEVELS > 0.5, "found zeros and ones, which need no binarising; leave binarise out"),
        (LEVELS * np.nan, "found NaN"),
        (BYTES[:, :7], "found an array of shape"),
    ],
)
def test_what_is_no_grey_image_is_refused(images, told):
    with pytest.raises(UserError, match=f"mine: {told}"):
        binarised({"mine": images}, THRESHOLD)


def test_two_scales_in_one_dataset_are_refused():
    with pytest.raises(UserError, match="found levels up to 1 in train, up to 255 in test; expected one scale"):
        binarised({"train": LEVELS, "test": BYTES}, THRESHOLD)


def test_a_file_of_grey_levels_is_a_dataset_for_each_way_and_refused_without(tmp_path):
    path = tmp_path / "grey.npy"
    np.save(path, BYTES)
    ways = [THRESHOLD, Binarise("bernoulli", 0), Binarise("bernoulli", 1)]
    assert len({checksum(str(path), None, way) for way in ways}) == 3
    with pytest.raises(
        UserError, match=r"values such as 2, 3, 4; expected zeros and ones only.* --set binarise=threshold"
    ):
        load(str(path))


@pytest.mark.parametrize("name", ["sprites", "mnist"])
def test_a_binary_dataset_is_not_binarised(name):
    with pytest.raises(UserError, match=f"binarise threshold: {name} is binary already; it is for grey levels"):
        checksum(name, None, THRESHOLD)
