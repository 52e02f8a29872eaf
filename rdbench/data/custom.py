"""A dataset of the user's own, from an .npz or .npy file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rdbench.data.dataset import SIDE, SPLITS, Bits, Dataset, pack
from rdbench.errors import UserError, reason

SUFFIXES = (".npz", ".npy")
SPLIT_SEED = 0


def load(path: Path) -> Dataset:
    """The images in a file: arrays ``train``, ``valid``, ``test``, or one array, shuffled and split 80/10/10.

    Raises:
        UserError: the file cannot be read, or does not hold images of zeros and ones.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {key: loaded[key] for key in loaded.files} if path.suffix == ".npz" else {"images": loaded}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected an .npz or .npy of N×28×28 zeros and ones") from None
    except Exception as error:  # there is hardly one that NumPy, zip and zlib do not raise on some damaged file
        raise UserError(
            f"{path}: cannot be read as NumPy data ({reason(error)}); write it with np.savez or np.save"
        ) from None
    return Dataset(path.stem, *split(path, arrays))


def split(path: Path, arrays: Mapping[str, Any]) -> list[Bits]:
    """Train, valid and test, packed."""
    if set(arrays) == set(SPLITS):
        return [checked(f"{path}[{name}]", arrays[name]) for name in SPLITS]
    if len(arrays) != 1:
        found = ", ".join(sorted(arrays)) or "none"
        raise UserError(f"{path}: found the arrays {found}; expected train, valid and test, or one array to be split")
    bits = checked(str(path), next(iter(arrays.values())))
    tenth = len(bits) // 10
    if not tenth:
        raise UserError(f"{path}: found {len(bits)} images; expected at least 10, to be split 80/10/10")
    bits = bits[np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(bits))]
    return [bits[2 * tenth :], bits[tenth : 2 * tenth], bits[:tenth]]


def checked(where: str, images: Any) -> Bits:
    """The packed bits of an array of images.

    Raises:
        UserError: it is none, is empty, has another shape, or holds anything but zeros and ones.
    """
    if not isinstance(images, np.ndarray):
        raise UserError(f"{where}: found no array; expected (N, 28, 28) or (N, 784) with N ≥ 1")
    if images.shape[1:] not in ((SIDE, SIDE), (SIDE * SIDE,)) or not len(images):
        raise UserError(f"{where}: found an array of shape {images.shape}; expected (N, 28, 28) or (N, 784) with N ≥ 1")
    if images.dtype.kind not in "biuf":
        raise UserError(f"{where}: found values of type {images.dtype}; expected zeros and ones")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise UserError(f"{where}: found NaN or infinite values; expected zeros and ones")
    others = np.unique(images[(images != 0) & (images != 1)])
    if others.size:
        shown = ", ".join(str(value) for value in others[:3])
        raise UserError(f"{where}: found values such as {shown}; expected zeros and ones only, so binarise it first")
    return pack(images)
