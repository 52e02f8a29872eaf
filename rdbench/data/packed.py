"""Packed copies of the named datasets in the user's cache, which open in a fraction of a second."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rdbench.data.dataset import Dataset
from rdbench.data.files import UNREADABLE, cache_folder
from rdbench.data.labels import SPLITS, Labels


def load_packed(name: str) -> Dataset | None:
    """The cached packed copy called ``name``; None if there is none, or it is damaged."""
    try:
        with np.load(_path(name), allow_pickle=False) as arrays:
            sets = {str(labels): _labels(arrays, str(labels)) for labels in arrays["label_sets"]}
            dataset = Dataset(name, *(arrays[split] for split in SPLITS), label_sets=sets)
            whole = str(arrays["sha256"]) == dataset.sha256
    except (*UNREADABLE, KeyError, IndexError):
        return None
    return dataset if whole else None


def save_packed(dataset: Dataset) -> None:
    """Cache a packed copy: written under another name, then renamed.

    A failure is only a warning on stderr: the dataset is then read from its upstream files every time.
    """
    path = _path(dataset.name)
    arrays = {split: getattr(dataset, split) for split in SPLITS}
    arrays |= {"sha256": np.array(dataset.sha256), "label_sets": np.array(list(dataset.label_sets), np.str_)}
    for name, labels in dataset.label_sets.items():
        arrays |= {f"{name}/{field}": np.array(value) for field, value in vars(labels).items() if field != "sha256"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as partial:
            _write_npz(partial, arrays)
        os.replace(partial.name, path)
    except OSError as error:
        why = f"{error}; set XDG_CACHE_HOME elsewhere, or {dataset.name} is read from its files every time"
        print(f"rdbench: warning: cannot write the packed copy {path}: {why}", file=sys.stderr)


def _labels(arrays: Any, name: str) -> Labels:
    train, valid, test, classes, entropy = (arrays[f"{name}/{field}"] for field in Labels.__dataclass_fields__)
    return Labels(train, valid, test, classes=tuple(map(str, classes)), entropy=float(entropy))


def _write_npz(file: "BinaryIO | tempfile._TemporaryFileWrapper[bytes]", arrays: dict[str, np.ndarray]) -> None:
    np.savez(file, **arrays)  # type: ignore[arg-type]
    file.flush()
    os.fsync(file.fileno())


def _path(name: str) -> Path:
    return cache_folder() / "packed" / f"{name}.npz"
