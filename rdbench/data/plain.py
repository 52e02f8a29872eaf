"""A dataset as plain arrays, for Python."""

from collections.abc import Mapping
from dataclasses import dataclass

from rdbench.data.dataset import Bits, Dataset
from rdbench.data.labels import SPLITS, Labels


@dataclass(frozen=True, repr=False)
class PlainDataset:
    """The splits of a dataset, each (N, side, side) zeros and ones, and its label sets by name."""

    name: str
    train: Bits
    valid: Bits
    test: Bits
    labels: Mapping[str, Labels]

    @classmethod
    def of(cls, dataset: Dataset) -> "PlainDataset":
        """The arrays of a packed dataset."""
        train, valid, test = map(dataset.images, SPLITS)
        return cls(dataset.name, train, valid, test, dataset.label_sets)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {getattr(self, split).shape}" for split in SPLITS)
        return f"<dataset {self.name}: {sizes}, labels: {', '.join(self.labels) or 'none'}>"
