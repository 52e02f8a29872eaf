"""The two "small" sets of "Human-level concept learning through probabilistic program induction" (Lake et al., 2015,
https://www.science.org/doi/10.1126/science.aab3050), averaged to 28×28 and binarised once with a fixed seed.
"""

import io
import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from rdbench.data.dataset import SIDE, Dataset, binarize, pack
from rdbench.data.files import UNREADABLE, Source, damaged, obtain
from rdbench.data.labels import Labels, empirical_labels

URL = "https://github.com/brendenlake/omniglot/raw/master/python"
FILES = {
    "images_background_small1.zip": "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    "images_background_small2.zip": "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
}
BITS_SEED = 20154
TRAIN_DRAWINGS, VALID_DRAWINGS, TEST_DRAWINGS = 14, 2, 4  # of the 20 drawings of each character


def load(folder: Path) -> Dataset:
    """4,840 drawings of 242 characters, split within each character: 3,388 / 484 / 968.

    Raises:
        UserError: a file cannot be fetched or read.
    """
    characters: dict[str, dict[str, bytes]] = defaultdict(dict)
    for name, sha256 in FILES.items():
        path = obtain(folder, name, [Source(f"{URL}/{name}", sha256)])
        try:
            for drawing, content in drawings(path):
                characters[str(drawing.parent)][drawing.name] = content
        except UNREADABLE as error:
            raise damaged(path, f"it is truncated or unreadable ({error})") from None
    by_character = [[contents[name] for name in sorted(contents)] for _, contents in sorted(characters.items())]
    ink = np.stack([shrink(read_ink(content)) for contents in by_character for content in contents])
    bits = pack(binarize(ink, BITS_SEED)).reshape(len(by_character), -1, SIDE * SIDE // 8)
    train, valid, test = (
        split.reshape(-1, split.shape[-1])
        for split in np.split(bits, [TRAIN_DRAWINGS, TRAIN_DRAWINGS + VALID_DRAWINGS], axis=1)
    )
    return Dataset("omniglot-small", train, valid, test, label_sets=label_sets(sorted(characters)))


def label_sets(characters: list[str]) -> dict[str, Labels]:
    """Alphabet and character of each drawing, from characters' names such as ``Greek/character01``."""
    alphabets = [character.partition("/")[0] for character in characters]
    classes = {"alphabet": sorted(set(alphabets)), "character": characters}
    of_character = {"alphabet": [classes["alphabet"].index(name) for name in alphabets],
                    "character": list(range(len(characters)))}  # fmt: skip
    counts = (TRAIN_DRAWINGS, VALID_DRAWINGS, TEST_DRAWINGS)
    return {
        name: empirical_labels(
            *(np.repeat(np.array(labels, np.uint8), count) for count in counts), classes=classes[name]
        )
        for name, labels in of_character.items()
    }


def drawings(path: Path) -> list[tuple[PurePosixPath, bytes]]:
    """The drawings in a zip as (alphabet/character/name, PNG content); both zips hold the same Greek and Latin."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png") and "__MACOSX" not in name]
        return [(PurePosixPath(*PurePosixPath(name).parts[1:]), archive.read(name)) for name in names]


def read_ink(content: bytes) -> NDArray[np.float64]:
    """A PNG as ink: 1 where it is black, 0 where it is white."""
    from matplotlib.image import imread  # here, since it loads slowly and is seldom needed

    return 1.0 - imread(io.BytesIO(content), format="png").astype(np.float64)


def shrink(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """A square image averaged over areas to 28×28; an output pixel may cover fractions of input pixels."""
    weights = area_weights(len(image), SIDE)
    return weights @ image @ weights.T


def area_weights(inputs: int, outputs: int) -> NDArray[np.float64]:
    """The (outputs, inputs) matrix whose row i averages inputs over [i, i + 1) · inputs / outputs.

    >>> area_weights(3, 2).round(3)
    array([[0.667, 0.333, 0.   ],
           [0.   , 0.333, 0.667]])
    """
    edges = np.arange(outputs + 1) * inputs / outputs
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(inputs)
    overlap = np.clip(np.minimum(right, pixel + 1) - np.maximum(left, pixel), 0, None)
    return overlap / (right - left)
