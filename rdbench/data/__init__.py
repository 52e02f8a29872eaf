"""The datasets that rdbench knows by name, and the user's own by path."""

from collections.abc import Callable
from functools import cache
from math import log
from pathlib import Path

from rdbench.config.binarise import Binarise
from rdbench.config.family import dataset_kind
from rdbench.data import custom, toy
from rdbench.data.custom import from_arrays
from rdbench.data.dataset import SIDE, Dataset
from rdbench.data.files import data_folder, find
from rdbench.data.labels import Labels
from rdbench.data.named import DATASETS, NamedDataset
from rdbench.data.packed import load_packed, save_packed
from rdbench.errors import UserError, unknown

__all__ = [
    "DATASETS",
    "Dataset",
    "Labels",
    "NamedDataset",
    "checksum",
    "from_arrays",
    "largest_rate",
    "load",
    "make_ready",
    "present",
    "verify",
]


@cache
def load(name: str, data_dir: Path | None = None, binarise: Binarise | None = None) -> Dataset:
    """The dataset of that name, fetched if need be, or the one in that .npz or .npy file.

    Raises:
        UserError: there is none of that name, its files cannot be had, read or trusted, or it is binary already.
    """
    if name.endswith(custom.SUFFIXES):
        return custom.load(Path(name), binarise)
    spec, _ = _images(name)
    if binarise is not None:
        raise UserError(f"binarise {binarise.how}: {name} is binary already; it is for grey levels in an .npz or .npy")
    data_folder(data_dir)  # a folder that was asked for must be there, whether or not it is needed
    packed = load_packed(name) if spec.files else None
    if packed is not None and not _deviations(packed, spec):
        return packed
    return verify(name, data_dir)


def verify(name: str, data_dir: Path | None = None) -> Dataset:
    """The named dataset, built anew from its upstream files, every checksum compared.

    Raises:
        UserError: as for ``load``.
    """
    spec, build = _images(name)
    dataset = build(data_folder(data_dir))
    if deviations := _deviations(dataset, spec):
        raise UserError(
            f"{name}: {'; '.join(deviations)}; if the files are whole, this version of NumPy draws other numbers"
        )
    if spec.files:
        save_packed(dataset)
    return dataset


def checksum(name: str, data_dir: Path | None = None, binarise: Binarise | None = None) -> str:
    """The dataset's SHA-256, where it is known beforehand without opening its files.

    Raises:
        UserError: as for ``load``.
    """
    if dataset_kind(name) == "table" and binarise is None:
        return toy.sha256()
    known = DATASETS[name].sha256 if name in DATASETS and binarise is None else None
    return known or load(name, data_dir, binarise).sha256


def make_ready(name: str, data_dir: Path | None = None, binarise: Binarise | None = None) -> None:
    """See that a dataset can be used: fetch and check it if need be. A table always can.

    Raises:
        UserError: as for ``load``.
    """
    if dataset_kind(name) == "images":
        load(name, data_dir, binarise)


def largest_rate(name: str, binarise: Binarise | None = None) -> float:
    """The nats that a dataset can carry: H where it is known, else side² log 2, for 2^(side²) images there can be.

    Raises:
        UserError: it is in a file that cannot be read.
    """
    if name not in DATASETS:
        return load(name, None, binarise).side ** 2 * log(2)
    entropy = DATASETS[name].entropy
    return entropy() if entropy else SIDE**2 * log(2)


def present(name: str, data_dir: Path | None = None) -> bool:
    """Whether the named dataset can be opened without a network."""
    folder = data_folder(data_dir)
    return all(find(folder, file) for file in DATASETS[name].files) or load_packed(name) is not None


def _deviations(dataset: Dataset, spec: NamedDataset) -> list[str]:
    """What a dataset has that its entry does not, in words."""
    labels = {name: labels.sha256 for name, labels in dataset.label_sets.items()}
    lines = []
    if dataset.sizes != spec.sizes:
        lines.append(f"found {dataset.sizes} images, expected {spec.sizes}")
    if dataset.sha256 != (spec.sha256 or dataset.sha256):
        lines.append(f"found bits with SHA-256 {dataset.sha256}, expected {spec.sha256}")
    if labels != spec.labels:
        lines.append(f"found labels {labels}, expected {dict(spec.labels)}")
    return lines


def _images(name: str) -> tuple[NamedDataset, Callable[[Path], Dataset]]:
    """The named dataset of images, and what builds it."""
    images = {known: spec for known, spec in DATASETS.items() if spec.build}
    if name not in DATASETS:
        raise unknown("dataset", name, [*images, "FILE.npz", "FILE.npy"])
    spec = DATASETS[name]
    if spec.build is None:
        raise UserError(f"dataset {name}: it holds no images; it goes with: rdbench toy, or rdbench sweep toy")
    return spec, spec.build
