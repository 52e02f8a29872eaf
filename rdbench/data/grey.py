"""Grey levels as bits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbench.config.binarise import Binarise
from rdbench.data.arrays import as_images
from rdbench.data.dataset import Bits, pack
from rdbench.errors import UserError

IMAGES_AT_ONCE = 1000
"""Bounds the memory of the draws: a double for each pixel of a large dataset would be gigabytes."""


def binarised(arrays: Mapping[str, Any], binarise: Binarise) -> list[Bits]:
    """Binarise arrays of grey levels, all on one scale of 0 to 1 or 0 to 255, into packed bits.

    The draws of ``bernoulli`` come from one generator, PCG64(seed), array by array and pixel by pixel.

    Raises:
        UserError: an array does not hold images of grey levels, or holds zeros and ones already.
    """
    images = {where: as_images(where, array) for where, array in arrays.items()}
    full = full_level(images)
    generator = np.random.Generator(np.random.PCG64(binarise.seed))

    def bits(some: NDArray[Any]) -> Bits:
        level = some.astype(np.float64) / full
        return pack(level >= 0.5 if binarise.how == "threshold" else generator.random(level.shape) < level)

    return [
        np.concatenate([bits(array[start : start + IMAGES_AT_ONCE]) for start in range(0, len(array), IMAGES_AT_ONCE)])
        for array in images.values()
    ]


def full_level(images: Mapping[str, NDArray[Any]]) -> float:
    """The level of full ink: 255 for whole numbers or where a level is above 1, else 1.

    Raises:
        UserError: there are levels below 0 or above 255, two scales, or zeros and ones only.
    """
    where = next(iter(images))
    low, high = min(array.min() for array in images.values()), max(array.max() for array in images.values())
    if low < 0 or high > 255:
        raise UserError(f"{where}: found levels from {low:g} to {high:g}; expected grey levels of 0 to 1, or 0 to 255")
    if all(((array == 0) | (array == 1)).all() for array in images.values()):
        raise UserError(f"{where}: found zeros and ones, which need no binarising; leave binarise out")
    fractions = {name for name, array in images.items() if array.dtype.kind == "f" and 0 < array.max() <= 1}
    if len(fractions) not in (0, len(images)):
        found = ", ".join(f"up to {array.max():g} in {name}" for name, array in images.items())
        raise UserError(f"found levels {found}; expected one scale, 0 to 1 or 0 to 255, in all")
    return 1.0 if fractions else 255.0
