"""How grey levels become bits."""

from typing import Literal, NamedTuple

How = Literal["threshold", "bernoulli"]


class Binarise(NamedTuple):
    """How a pixel becomes 0 or 1: by ``threshold``, 1 if its level is at least half of full; by ``bernoulli``, drawn
    once, 1 with its level as probability.

    ``seed`` seeds the draws; it is None for ``threshold``.
    """

    how: How
    seed: int | None = None
