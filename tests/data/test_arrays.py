import numpy as np
import pytest
import torch

from rdbench.data.arrays import as_bits
from rdbench.data.dataset import unpack
from rdbench.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 2, (5, 12, 12))


@pytest.mark.parametrize(
    "images",
    [
        *[IMAGES.astype(kind) for kind in (bool, "u1", "i2", "i8", "f2", "f4", "f8", ">f4")],
        *[torch.from_numpy(IMAGES).to(kind) for kind in (torch.bool, torch.uint8, torch.bfloat16, torch.float32)],
        IMAGES.reshape(5, 144),
        torch.from_numpy(IMAGES).float().requires_grad_(),
    ],
    ids=lambda images: f"{type(images).__name__}-{images.dtype}-{images.ndim}",
)
def test_any_type_of_number_and_either_shape_gives_the_same_bits(images):
    assert (unpack(as_bits("mine", images)) == IMAGES).all()


@pytest.mark.parametrize(
    "shape", [(5, 4, 4), (5, 10, 10), (5, 68, 68), (5, 12, 16), (5, 1, 12, 12), (144,), (), (0, 8, 8)]
)
def test_other_shapes_are_refused(shape):
    with pytest.raises(UserError, match=r"found an array of shape .*; expected \(N, side, side\) or \(N, side²\)"):
        as_bits("mine", np.zeros(shape))


@pytest.mark.parametrize("images", [[[0, 1]], None, "images", np.zeros((5, 12, 12), complex)])
def test_what_is_no_array_of_real_numbers_is_refused(images):
    with pytest.raises(UserError, match="mine: found"):
        as_bits("mine", images)
