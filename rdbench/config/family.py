"""Families, each of an encoder, a decoder and a marginal, and their names."""

from itertools import product
from typing import NamedTuple

from rdbench.config.parts import TABLE, DatasetKind, Kind, find, registered
from rdbench.errors import UserError, unknown

PART_KINDS: tuple[Kind, ...] = ("encoder", "decoder", "marginal")


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
        """The paper's signs if every part has one, else the words; tables and legends use them."""
        parts = [registered(kind, name) for kind, name in zip(PART_KINDS, self, strict=True)]
        signs = [part.sign for part in parts if part and part.sign]
        return "".join(signs) if len(signs) == len(self) else self.words

    @property
    def label(self) -> str:
        """The signs and the words for a legend; the words alone if there are no signs."""
        return self.words if self.signs == self.words else f"{self.signs}  {self.words}"


ENCODERS, DECODERS, MARGINALS = ("gaussian", "iaf"), ("deconv", "pixelcnn"), ("gaussian", "maf", "vamp")
FAMILIES = tuple(Family(*parts) for parts in product(ENCODERS, DECODERS, MARGINALS))
"""The paper's twelve, in its order. ``all`` means these, whatever other parts are registered."""

TOY = Family("discrete", "discrete", "discrete")
TOY_DATASET = "toy"
"""The toy dataset goes with the toy's family only, and neither goes with images."""


def dataset_kind(dataset: str) -> DatasetKind:
    """``table`` for a distribution over few values, whose terms are summed exactly; ``images`` for all others.

    >>> dataset_kind("toy"), dataset_kind("sprites"), dataset_kind("mine.npz")
    ('table', 'images', 'images')
    """
    part = registered("dataset", dataset)
    return "table" if part and part.latent == TABLE else "images"


def family_of(words: str) -> Family:
    """The family in a row of a store; its parts need not be installed.

    Raises:
        ValueError: ``words`` are not three words.
    """
    encoder, decoder, marginal = words.split("-")
    return Family(encoder, decoder, marginal)


def parse_family(text: str) -> Family:
    """The family called ``text``, in words or in the paper's signs.

    Raises:
        UserError: no family has that name, or one of its parts is unknown.
    """
    if not isinstance(text, str):
        raise UserError(f"family: found {text!r}, expected a name such as 'gaussian-deconv-gaussian' or '---'")
    for family in (*FAMILIES, TOY):
        if text in (family.words, family.signs):
            return family
    parts = text.split("-")
    if len(parts) == len(PART_KINDS) and all(parts):
        return Family(*(find(kind, name).name for kind, name in zip(PART_KINDS, parts, strict=True)))
    raise unknown("family", text, [family.words for family in FAMILIES])
