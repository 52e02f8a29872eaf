"""Static binarized MNIST.

"On the quantitative analysis of deep belief networks" (Salakhutdinov & Murray, 2008) drew the bits, "The neural
autoregressive distribution estimator" (Larochelle & Murray, 2011, https://proceedings.mlr.press/v15/larochelle11a.html)
published these.
"""

import hashlib
import io
from importlib.resources import files
from pathlib import Path

import numpy as np

from rdbench.data.dataset import SIDE, Bits, Dataset, pack
from rdbench.data.files import UNREADABLE, Source, decode_checked, obtain
from rdbench.data.labels import SPLITS, Labels, empirical_labels
from rdbench.errors import UserError

UPSTREAM = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"
MIRROR = "https://github.com/mingzhang-yin/ARM-gradient/raw/master"
LINE_BYTES = 2 * SIDE * SIDE  # every digit is followed by a space or a newline

FILE_SHA256 = {  # of the file at UPSTREAM, of the file at MIRROR
    "train": (
        "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
        "79a0312c7389d855cfc97e3812de3998417c5829d8a51543b56a90a91252ae7e",
    ),
    "valid": (
        "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
        "7436afc856959075c7787025bb8a4ba2b520b9230ee39667c66aa7dd2819dd68",
    ),
    "test": (
        "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
        "5bc30222e1e7896cbccd1e1db6b28540cc1230f4d2d5473841a5f6cc54be8d38",
    ),
}
BITS_SHA256 = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}
LABELS = "binarized_mnist_labels.npz"
LABELS_SHA256 = {
    "train": "8412fa05f88a60e55c9f434182cbcd829e0a2918a576632cfa5002deb43aeea6",
    "valid": "ad502ca809c8f0e332f8d621550df6592eb5ca9a0d007e8fe8c1d2dec6d2cfcf",
    "test": "f7cd9d3a7438833ddaff2865a3ef3497a9479b8a1fc1e2dc2db0faf6648419c2",
}


def load(folder: Path) -> Dataset:
    """The three splits from ``folder``; missing files are fetched from upstream, or else from the mirror.

    Raises:
        UserError: a file cannot be fetched or read, or does not hold these bits.
    """
    return Dataset("mnist", *(_load_split(folder, split) for split in SPLITS), label_sets={"digit": digits()})


def digits() -> Labels:
    """The digit of each image, which upstream does not publish; README.md here says how they were recovered.

    Raises:
        UserError: the file of labels in this package is damaged.
    """
    path = files("rdbench.data") / LABELS
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            splits = [arrays[split] for split in SPLITS]
    except (*UNREADABLE, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}); install rdbench again") from None
    for split, labels in zip(SPLITS, splits, strict=True):
        found = hashlib.sha256(labels.tobytes()).hexdigest()
        if found != LABELS_SHA256[split]:
            raise UserError(
                f"{path}: the labels of {split} have SHA-256 {found}, expected {LABELS_SHA256[split]}; "
                "install rdbench again"
            )
    return empirical_labels(*splits, classes=[str(digit) for digit in range(10)])


def _load_split(folder: Path, split: str) -> Bits:
    name = f"binarized_mnist_{split}.amat"
    upstream, mirror = FILE_SHA256[split]
    path = obtain(folder, name, [Source(f"{UPSTREAM}/{name}", upstream), Source(f"{MIRROR}/{name}", mirror)])
    return decode_checked(path, decode, BITS_SHA256[split])


def decode(content: bytes) -> Bits:
    """The packed bits of a split: upstream's text, one line an image, or the mirror's MATLAB file, whatever its name.

    Raises:
        ValueError: the content is neither.
    """
    if content.startswith(b"MATLAB 5.0"):
        from scipy.io import loadmat  # here, since it loads slowly and is seldom needed

        return pack(loadmat(io.BytesIO(content))["X"])
    if not content or len(content) % LINE_BYTES:
        raise ValueError(f"{len(content)} bytes are not whole lines of {LINE_BYTES}")
    return pack(np.frombuffer(content, np.uint8).reshape(-1, LINE_BYTES)[:, ::2] == ord("1"))
