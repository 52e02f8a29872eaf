"""The user's own dataset, from an .npz or .npy file or from arrays."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rdbench.config.binarise import Binarise
from rdbench.config.reading import regular
from rdbench.data.arrays import SHAPES, as_bits
from rdbench.data.dataset import Bits, Dataset, side_of_packed
from rdbench.data.grey import binarised
from rdbench.data.labels import SPLITS, Labels, empirical_labels
from rdbench.errors import UserError, reason, require_size

SUFFIXES = (".npz", ".npy")
SPLIT_SEED = 0
LABELS = {split: f"{split}_labels" for split in SPLITS}

LARGEST = 2**30
"""Bytes of a file, and of its arrays once decompressed: 1.3 million images of 28×28 as bytes."""


def load(path: Path, binarise: Binarise | None = None) -> Dataset:
    """The images in a file: arrays ``train``, ``valid``, ``test``, or one array, shuffled and split 80/10/10.

    Raises:
        UserError: the file cannot be read, or holds neither zeros and ones nor grey levels to ``binarise``.
    """
    try:
        loaded = np.load(_bounded(path), allow_pickle=False)
        arrays = {key: loaded[key] for key in loaded.files} if path.suffix == ".npz" else {"images": loaded}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected an .npz or .npy of {SHAPES}") from None
    except Exception as error:  # NumPy, zip and zlib raise almost anything on damaged files
        raise UserError(
            f"{path}: cannot be read as NumPy data ({reason(error)}); write it with np.savez or np.save"
        ) from None
    return from_arrays(path.stem, arrays, str(path), binarise)


def _bounded(path: Path) -> Path:
    """Check that a file's arrays fit into memory once decompressed: a small .npz may hold gigabytes of zeros.

    Raises:
        RefusedFileError: its arrays are larger.
    """
    whole = regular(path, LARGEST)
    if path.suffix == ".npz":
        with zipfile.ZipFile(whole) as archive:  # reading a member never gives more than its directory states
            require_size(sum(member.file_size for member in archive.infolist()), LARGEST)
    return whole


def from_arrays(
    name: str, arrays: Mapping[str, Any], where: str = "images", binarise: Binarise | None = None
) -> Dataset:
    """A dataset from NumPy or torch arrays; ``where`` says in errors where they come from.

    The arrays are ``train``, ``valid`` and ``test``, optionally with ``train_labels``, ``valid_labels`` and
    ``test_labels``; or one array under any key, which is shuffled and split 80/10/10.
    They hold zeros and ones, or with ``binarise`` grey levels.

    >>> images = np.zeros((20, 16, 16))
    >>> dataset = from_arrays("blank", {"images": images})
    >>> dataset.sizes, dataset.side
    ((16, 2, 2), 16)

    Raises:
        UserError: the arrays are not such images, or not all of one size.
    """
    if set(arrays) - set(LABELS.values()) == set(SPLITS):
        named = {f"{where}[{split}]": arrays[split] for split in SPLITS}
        bits = dict(zip(SPLITS, _packed(named, binarise), strict=True))
        sides = {split: side_of_packed(packed.shape) for split, packed in bits.items()}
        if len(set(sides.values())) > 1:
            found = ", ".join(f"{side} pixels in {split}" for split, side in sides.items())
            raise UserError(f"{where}: found images with a side of {found}; expected one size")
        return Dataset(name, *bits.values(), label_sets=_label_sets(where, arrays, bits))
    if len(arrays) != 1:
        found = ", ".join(sorted(arrays)) or "none"
        raise UserError(f"{where}: found the arrays {found}; expected train, valid and test, or one array to be split")
    return Dataset(name, *split_up(where, *_packed({where: next(iter(arrays.values()))}, binarise)))


def _packed(arrays: Mapping[str, Any], binarise: Binarise | None) -> list[Bits]:
    if binarise is None:
        return [as_bits(where, array) for where, array in arrays.items()]
    return binarised(arrays, binarise)


def _label_sets(where: str, arrays: Mapping[str, Any], bits: Mapping[str, Bits]) -> dict[str, Labels]:
    """The labels among the arrays, if any: integers or text, each distinct value a class."""
    found = [key for key in LABELS.values() if key in arrays]
    if not found:
        return {}
    if len(found) < len(LABELS):
        raise UserError(f"{where}: found {' and '.join(found)}; expected {', '.join(LABELS.values())}, or none of them")
    values = [np.asarray(arrays[key]) for key in found]
    for (split, key), labels in zip(LABELS.items(), values, strict=True):
        if labels.dtype.kind not in "iuU" or labels.shape != (len(bits[split]),):
            raise UserError(
                f"{where}[{key}]: found {labels.dtype} of shape {labels.shape}; expected integers or texts of shape "
                f"({len(bits[split])},), one for each image of {split}"
            )
    classes, indices = np.unique(np.concatenate(values), return_inverse=True)
    ends = np.cumsum([len(labels) for labels in values])[:-1]
    return {"label": empirical_labels(*np.split(indices, ends), classes=[str(value) for value in classes])}


def split_up(where: str, bits: Bits) -> list[Bits]:
    """Train, valid and test from a fixed shuffle: the first tenth is test, the second valid, the rest train.

    Raises:
        UserError: there are fewer than 10 images.
    """
    tenth = len(bits) // 10
    if not tenth:
        raise UserError(f"{where}: found {len(bits)} images; expected at least 10, to be split 80/10/10")
    bits = bits[np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(bits))]
    return [bits[2 * tenth :], bits[tenth : 2 * tenth], bits[:tenth]]
