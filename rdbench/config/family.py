"""Families: one encoder, one decoder, one marginal, and their names."""

from itertools import product
from typing import Literal, NamedTuple

from rdbench.errors import UserError, unknown

ENCODERS = {"gaussian": "-", "iaf": "+"}
DECODERS = {"deconv": "-", "pixelcnn": "+"}
MARGINALS = {"gaussian": "-", "maf": "+", "vamp": "v"}
DISCRETE = {"discrete": "d"}


class Family(NamedTuple):
    """An (encoder, decoder, marginal) triple.

    >>> family = parse_family("-+v")
    >>> family.words, family.signs
    ('gaussian-pixelcnn-vamp', '-+v')
    """

    encoder: str
    decoder: str
    marginal: str

    @property
    def words(self) -> str:
        """The name that the command line takes."""
        return "-".join(self)

    @property
    def signs(self) -> str:
        """The name that the paper, tables and legends use."""
        return "".join((table | DISCRETE)[part] for table, part in zip(TABLES, self, strict=True))


TABLES = (ENCODERS, DECODERS, MARGINALS)
FAMILIES = tuple(Family(*parts) for parts in product(*TABLES))
TOY = Family("discrete", "discrete", "discrete")
TOY_DATASET = "toy"
"""The toy is a dataset of its own with a family of its own, whose latents are discrete; neither goes with images."""

DatasetKind = Literal["images", "table"]


def dataset_kind(dataset: str) -> DatasetKind:
    """``table`` for a distribution over few values, which is summed exactly; else ``images``, which are sampled.

    >>> dataset_kind("toy"), dataset_kind("sprites"), dataset_kind("mine.npz")
    ('table', 'images', 'images')
    """
    return "table" if dataset == TOY_DATASET else "images"


def parse_family(text: str) -> Family:
    """The family called ``text``, in words or in signs.

    Raises:
        UserError: no family has that name.
    """
    if not isinstance(text, str):
        raise UserError(f"family: found {text!r}, expected a name such as 'gaussian-deconv-gaussian' or '---'")
    for family in (*FAMILIES, TOY):
        if text in (family.words, family.signs):
            return family
    raise unknown("family", text, [family.words for family in FAMILIES])
