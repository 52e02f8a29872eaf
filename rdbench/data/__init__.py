"""The datasets that rdbench knows by name, and the user's own by path."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import log
from pathlib import Path

from rdbench.config.family import TOY_DATASET
from rdbench.data import custom, mnist, omniglot, omniglot_small, sprites, toy
from rdbench.data.dataset import SIDE, Dataset
from rdbench.data.files import data_folder, find, load_packed, save_packed
from rdbench.errors import UserError, unknown

__all__ = ["DATASETS", "Dataset", "NamedDataset", "checksum", "largest_rate", "load", "make_ready", "present", "verify"]


@dataclass(frozen=True)
class NamedDataset:
    """A named dataset: its upstream files, how to build it from a folder of them, and what must come out.

    ``sizes`` are images in train, valid and test; ``sha256`` is of all bits, None where it is not known beforehand.
    """

    description: str
    files: tuple[str, ...]
    build: Callable[[Path], Dataset]
    sizes: tuple[int, int, int]
    sha256: str | None


DATASETS = {
    "mnist": NamedDataset(
        "static binarized MNIST (Larochelle & Murray, 2011)",
        tuple(f"binarized_mnist_{split}.amat" for split in mnist.FILE_SHA256),
        mnist.load,
        (50_000, 10_000, 10_000),
        "c462f82a020638a4d5d8d44e4c83242ee0145ee1d125869d0e030c35011837e6",
    ),
    "omniglot": NamedDataset(
        "Omniglot at 28×28 (Burda et al., 2015)", (omniglot.FILE,), omniglot.load, (23_000, 1_345, 8_070), None
    ),
    "omniglot-small": NamedDataset(
        "the two small sets of Omniglot (Lake et al., 2015)",
        tuple(omniglot_small.FILES),
        omniglot_small.load,
        (3_388, 484, 968),
        "2672fb6b29d2a9a565040e1e76b40bbc9bbec0ef28fba9e31b07583235183d0d",
    ),
    "sprites": NamedDataset(
        "noisy shapes of known entropy, made in memory",
        (),
        lambda folder: sprites.load(),
        sprites.SPLIT_SIZES,
        "886289882fcc86549af392fbf3314f4c101c427dc4b07857b362167497720cf5",
    ),
}


@cache
def load(name: str, data_dir: Path | None = None) -> Dataset:
    """The dataset of that name, fetched if need be, or the one in that .npz or .npy file.

    Raises:
        UserError: there is none of that name, or its files cannot be had, read or trusted.
    """
    if name.endswith(custom.SUFFIXES):
        return custom.load(Path(name))
    spec = _named(name)
    data_folder(data_dir)  # a folder that was asked for must be there, whether or not it is needed
    packed = load_packed(name) if spec.files else None
    if packed is not None and packed.sha256 == (spec.sha256 or packed.sha256):
        return packed
    return verify(name, data_dir)


def verify(name: str, data_dir: Path | None = None) -> Dataset:
    """The named dataset, built anew from its upstream files, every checksum compared.

    Raises:
        UserError: as for ``load``.
    """
    spec = _named(name)
    dataset = spec.build(data_folder(data_dir))
    if dataset.sizes != spec.sizes or dataset.sha256 != (spec.sha256 or dataset.sha256):
        raise UserError(
            f"{name}: found {dataset.sizes} images with SHA-256 {dataset.sha256}; expected {spec.sizes} with "
            f"{spec.sha256}; if the files are whole, this version of NumPy draws other numbers"
        )
    if spec.files:
        save_packed(dataset)
    return dataset


def checksum(name: str, data_dir: Path | None = None) -> str:
    """The dataset's SHA-256, where it is known beforehand without opening its files.

    Raises:
        UserError: as for ``load``.
    """
    if name == TOY_DATASET:
        return toy.sha256()
    known = DATASETS[name].sha256 if name in DATASETS else None
    return known or load(name, data_dir).sha256


def make_ready(name: str, data_dir: Path | None = None) -> None:
    """See that a dataset can be used: fetch and check it if need be. The toy always can.

    Raises:
        UserError: as for ``load``.
    """
    if name != TOY_DATASET:
        load(name, data_dir)


def largest_rate(name: str) -> float:
    """The nats that a dataset can carry: H where it is known, else the logarithm of how many images there can be."""
    known = {TOY_DATASET: toy.entropy, "sprites": sprites.entropy}
    return known[name]() if name in known else SIDE**2 * log(2)


def present(name: str, data_dir: Path | None = None) -> bool:
    """Whether the named dataset can be opened without a network."""
    folder = data_folder(data_dir)
    return all(find(folder, file) for file in _named(name).files) or load_packed(name) is not None


def _named(name: str) -> NamedDataset:
    if name == TOY_DATASET:
        raise UserError("dataset toy: it holds no images; it goes with: rdbench toy, or rdbench sweep toy")
    if name not in DATASETS:
        raise unknown("dataset", name, [*DATASETS, "FILE.npz", "FILE.npy"])
    return DATASETS[name]
