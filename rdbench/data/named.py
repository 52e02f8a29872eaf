"""Sizes, checksums and files of each dataset that rdbench knows by name; ``config/parts.py`` says what builds it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rdbench.config.family import TOY_DATASET
from rdbench.data import mnist, omniglot, omniglot_small, sprites, toy


@dataclass(frozen=True)
class NamedDataset:
    """A named dataset's upstream files, and what building it must give.

    ``sizes`` are the images in train, valid and test. ``sha256`` is of all bits, None if it is not known beforehand;
    ``entropy`` gives H in nats if it is known. ``labels`` has the checksum of each label set, None if ``sha256``
    covers it.
    """

    files: tuple[str, ...]
    sizes: tuple[int, int, int]
    sha256: str | None = None
    entropy: Callable[[], float] | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)


DATASETS = {
    "mnist": NamedDataset(
        tuple(f"binarized_mnist_{split}.amat" for split in mnist.FILE_SHA256),
        (50_000, 10_000, 10_000),
        "c462f82a020638a4d5d8d44e4c83242ee0145ee1d125869d0e030c35011837e6",
        labels={"digit": "f7e609b0abf5d6521eb8bea23d74b3972facc6ad29813fdec6244edf543d652e"},
    ),
    "omniglot": NamedDataset((omniglot.FILE,), (23_000, 1_345, 8_070)),
    "omniglot-small": NamedDataset(
        tuple(omniglot_small.FILES),
        (3_388, 484, 968),
        "2672fb6b29d2a9a565040e1e76b40bbc9bbec0ef28fba9e31b07583235183d0d",
        labels={
            "alphabet": "a761bb3a43b88e72202c40d7745bdb333a663c46b80108c20b0edb67b7dea93c",
            "character": "feec02fa319b131de57530f66cef3da255a73ecbbd1300e502e95c62e0692f4b",
        },
    ),
    "sprites": NamedDataset(
        (),
        sprites.SPLIT_SIZES,
        "886289882fcc86549af392fbf3314f4c101c427dc4b07857b362167497720cf5",
        sprites.entropy,
        labels={"shape": "1519d868e85e22debb78fe2f849ed784734724d8b554204107f8ab5e192ea57b"},
    ),
    TOY_DATASET: NamedDataset(
        (),
        (toy.VALUES,) * 3,
        entropy=toy.entropy,
        labels={"class": None},
    ),
}
