"""How grey levels become bits."""

from typing import Literal, NamedTuple

How = Literal["threshold", "bernoulli"]


class Binarise(NamedTuple):
    """``threshold`` puts ink where a level is at least half of full; ``bernoulli`` draws ink once with its level as
    probability.

    ``seed`` seeds the draws; it is None for ``threshold``.
    """

    how: How
    seed: int | None = None
