"""Datasets: those that rdbench knows by name, and the user's own by path."""

from functools import cache
from math import log
from pathlib import Path

from rdbench.config.binarise import Binarise
from rdbench.config.family import dataset_kind
from rdbench.config.parts import OF_YOUR_OWN, known, names
from rdbench.config.plugins import make
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
    "at_hand",
    "checksum",
    "from_arrays",
    "largest_rate",
    "load",
    "make_ready",
    "present",
    "shape",
    "verify",
]


@cache
def load(name: str, data_dir: Path | None = None, binarise: Binarise | None = None) -> Dataset:
    """Load the dataset of that name, fetching it if need be, or the one in that .npz or .npy file.

    Raises:
        UserError: no dataset has that name, its files cannot be fetched or read or fail their checksums, or it is
            binary and ``binarise`` is given.
    """
    if name.endswith(custom.SUFFIXES):
        return custom.load(Path(name), binarise)
    spec = _images(name)
    if binarise is not None:
        raise UserError(f"binarise {binarise.how}: {name} is binary already; it is for grey levels in an .npz or .npy")
    folder = data_folder(data_dir)  # also where no file is needed: a folder that was asked for must exist
    if spec is None:
        return _from_plugin(name, folder)
    packed = load_packed(name) if spec.files else None
    if packed is not None and not _deviations(packed, spec):
        return packed
    return verify(name, data_dir)


def verify(name: str, data_dir: Path | None = None) -> Dataset:
    """Build the named dataset anew from its upstream files, and compare every checksum.

    Raises:
        UserError: as for ``load``.
    """
    spec = _images(name)
    folder = data_folder(data_dir)
    if spec is None:
        return _from_plugin(name, folder)
    dataset: Dataset = make("dataset", name)(folder)
    if deviations := _deviations(dataset, spec):
        raise UserError(
            f"{name}: {'; '.join(deviations)}; if the files are whole, this version of NumPy draws other numbers"
        )
    if spec.files:
        save_packed(dataset)
    return dataset


def checksum(name: str, data_dir: Path | None = None, binarise: Binarise | None = None) -> str:
    """The dataset's SHA-256; where it is known beforehand, no file is opened.

    Raises:
        UserError: as for ``load``.
    """
    if dataset_kind(name) == "table" and binarise is None:
        return toy.sha256()
    known = DATASETS[name].sha256 if name in DATASETS and binarise is None else None
    return known or load(name, data_dir, binarise).sha256


def at_hand(name: str, data_dir: Path | None = None) -> bool:
    """Whether a dataset's checksum can be told without fetching anything."""
    if name not in DATASETS or dataset_kind(name) == "table":
        return True
    return DATASETS[name].sha256 is not None or present(name, data_dir)


def shape(
    name: str, data_dir: Path | None = None, binarise: Binarise | None = None
) -> tuple[tuple[int, int, int], int]:
    """The numbers of images in train, valid and test, and their side in pixels; opens no file of a named dataset.

    Raises:
        UserError: the dataset's file cannot be read.
    """
    if name in DATASETS:
        return DATASETS[name].sizes, SIDE
    dataset = load(name, data_dir, binarise)
    return dataset.sizes, dataset.side


def make_ready(
    name: str, data_dir: Path | None = None, binarise: Binarise | None = None, labels: str | None = None
) -> None:
    """Fetch and check a dataset if need be, and check that it has the label set; nothing to do for a table.

    Raises:
        UserError: as for ``load``, or the dataset has no such labels.
    """
    if dataset_kind(name) == "images":
        dataset = load(name, data_dir, binarise)
        if labels is not None:
            dataset.label_set(labels)


def largest_rate(name: str, binarise: Binarise | None = None) -> float:
    """The largest useful rate in nats: H if it is known, else side² log 2, the log of the number of images.

    Raises:
        UserError: the dataset's file cannot be read.
    """
    if name not in DATASETS:
        dataset = load(name, None, binarise)
        return dataset.side**2 * log(2) if dataset.entropy is None else dataset.entropy
    entropy = DATASETS[name].entropy
    return entropy() if entropy else SIDE**2 * log(2)


def present(name: str, data_dir: Path | None = None) -> bool:
    """Whether a dataset can be opened without a network; True for a plug-in's, which sees to its own files."""
    spec = DATASETS.get(name)
    folder = data_folder(data_dir)
    return spec is None or all(find(folder, file) for file in spec.files) or load_packed(name) is not None


def _deviations(dataset: Dataset, spec: NamedDataset) -> list[str]:
    """How a dataset differs from its entry, in words."""
    labels = {name: labels.sha256 for name, labels in dataset.label_sets.items()}
    lines = []
    if dataset.sizes != spec.sizes:
        lines.append(f"found {dataset.sizes} images, expected {spec.sizes}")
    if dataset.sha256 != (spec.sha256 or dataset.sha256):
        lines.append(f"found bits with SHA-256 {dataset.sha256}, expected {spec.sha256}")
    if labels != spec.labels:
        lines.append(f"found labels {labels}, expected {dict(spec.labels)}")
    return lines


def _from_plugin(name: str, folder: Path) -> Dataset:
    """A dataset that a plug-in brings; a run knows it by the checksum of its bits."""
    dataset = make("dataset", name)(folder)
    if not isinstance(dataset, Dataset):
        raise UserError(f"dataset {name}: its function gave {type(dataset).__name__}; expected rdbench.data.Dataset")
    return dataset


def _images(name: str) -> NamedDataset | None:
    """The entry of a dataset of images; None for a plug-in's.

    Raises:
        UserError: no dataset has that name, or it holds no images.
    """
    if dataset_kind(name) == "table":
        raise UserError(f"dataset {name}: it holds no images; it goes with: rdbench toy, or rdbench sweep toy")
    if name not in DATASETS and known("dataset", name) is None:
        images = [other for other in names("dataset") if dataset_kind(other) == "images"]
        error = unknown("dataset", name, [*images, "FILE.npz", "FILE.npy"])
        raise UserError(f"{error}. {OF_YOUR_OWN}")
    return DATASETS.get(name)
