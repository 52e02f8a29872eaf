"""Users' arrays of images, of NumPy or torch, as bits."""

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbench.data.dataset import Bits, pack
from rdbench.errors import UserError

SIDES = range(8, 65, 4)
"""The sides in pixels that an image can have: models halve it twice."""

SHAPES = "(N, side, side) or (N, side²) with N ≥ 1 and a side of 8, 12, … or 64 pixels"


def side_of(shape: tuple[int, ...]) -> int | None:
    """The side of the images in an array of that shape; None if the shape is not one of images.

    >>> side_of((5, 28, 28)), side_of((5, 784)), side_of((5, 27, 28)), side_of((5, 30, 30))
    (28, 28, None, None)
    """
    side = isqrt(shape[1]) if len(shape) == 2 else shape[-1]
    return side if side in SIDES and shape[1:] in ((side, side), (side**2,)) else None


def as_images(where: str, images: Any) -> NDArray[Any]:
    """An array as (N, side, side) real numbers; ``where`` names it in errors.

    Raises:
        UserError: it is not an array, is empty, has another shape, or holds values that are not finite numbers.
    """
    if hasattr(images, "detach"):  # a torch tensor; NumPy has no bfloat16
        images = images.detach().cpu()
        images = (images.float() if images.is_floating_point() else images).numpy()
    if not isinstance(images, np.ndarray):
        raise UserError(f"{where}: found {type(images).__name__}; expected an array of shape {SHAPES}")
    side = side_of(images.shape) if images.ndim else None
    if side is None or not len(images):
        raise UserError(f"{where}: found an array of shape {images.shape}; expected {SHAPES}")
    if images.dtype.kind not in "biuf":
        raise UserError(f"{where}: found values of type {images.dtype}; expected zeros and ones")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise UserError(f"{where}: found NaN or infinite values; expected zeros and ones")
    return images.reshape(-1, side, side)


def as_bits(where: str, images: Any) -> Bits:
    """The packed bits of an array of zeros and ones.

    Raises:
        UserError: as for ``as_images``, or a value is neither 0 nor 1.
    """
    images = as_images(where, images)
    others = np.unique(images[(images != 0) & (images != 1)])
    if others.size:
        shown = ", ".join(str(value) for value in others[:3])
        raise UserError(
            f"{where}: found values such as {shown}; expected zeros and ones only, so binarise it "
            "first, or have grey levels binarised by --set binarise=threshold or binarise=bernoulli"
        )
    return pack(images)
