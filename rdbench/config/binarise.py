"""How grey levels become bits."""

from typing import Literal, NamedTuple

How = Literal["threshold", "bernoulli"]


class Binarise(NamedTuple):
    """``threshold``: ink from half of the full level on. ``bernoulli``: ink with its level as probability, drawn once.

    ``seed`` is of the draws, and None for ``threshold``, which has none.
    """

    how: How
    seed: int | None = None
