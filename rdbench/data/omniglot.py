"""Omniglot at 28×28, as used by "Importance weighted autoencoders" (Burda et al., 2015,
https://arxiv.org/abs/1509.00519).

The published file holds grey levels; the bits are drawn once, with a fixed seed.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rdbench.data.dataset import SIDE, Dataset, binarize, pack
from rdbench.data.files import UNREADABLE, Source, damaged, obtain, read

FILE = "chardata.mat"
URL = f"https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/{FILE}"
GIT_BLOB = "016a3536ffe5e1d38e42563a18d7a78bfaf643ec"
VALID_IMAGES = 1345
SPLIT_SEED = 20151
TRAIN_BITS_SEED = 20152
TEST_BITS_SEED = 20153


def load(folder: Path) -> Dataset:
    """23,000 / 1,345 / 8,070 images; validation is the last 1,345 of a fixed shuffle of the training images.

    Raises:
        UserError: the file cannot be fetched or read, or is not the published one.
    """
    from scipy.io import loadmat  # here, since it loads slowly and is seldom needed

    path = obtain(folder, FILE, [Source(URL, None)])
    try:
        content = read(path)
        if git_blob(content) != GIT_BLOB:
            raise damaged(path, f"its git blob id is {git_blob(content)}, expected {GIT_BLOB}")
        arrays = loadmat(io.BytesIO(content))
    except UNREADABLE as error:
        raise damaged(path, f"it is truncated or unreadable ({error})") from None
    train = pack(binarize(upright(arrays["data"]), TRAIN_BITS_SEED))
    train = train[np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(train))]
    test = pack(binarize(upright(arrays["testdata"]), TEST_BITS_SEED))
    return Dataset("omniglot", train[:-VALID_IMAGES], train[-VALID_IMAGES:], test)


def upright(columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """(784, N) columns, each an image in Fortran order, as (N, 28, 28) images in row-major order."""
    return columns.T.reshape(-1, SIDE, SIDE).transpose(0, 2, 1)


def git_blob(content: bytes) -> str:
    """The id that git gives a file with this content.

    >>> git_blob(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
