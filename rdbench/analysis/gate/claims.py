"""The claims: every sentence that must hold of a store, and the rule that says whether it does."""

from collections.abc import Callable, Iterator

from rdbench.analysis.gate import agreement, bounds, identity
from rdbench.analysis.gate.judging import Judgement
from rdbench.analysis.gate.measured import Measured

CLAIMS: dict[str, Callable[[Measured], Iterator[Judgement]]] = {
    "every measure is finite": bounds.finite,
    "what is measured together is there, with its errors": agreement.complete,
    "R + D = −ELBO, and R is the sum over dimensions": agreement.parts_sum,
    "R ≥ 0, D ≥ 0 and IWAE-k ≤ 0": bounds.positive,
    "IWAE-k does not fall as k grows, nor below the ELBO": bounds.ordered,
    "R + D and −IWAE-k ≥ H, where H is known": bounds.above_entropy,
    "gaps are the differences of what they lie between": agreement.gaps,
    "standard errors fit together": agreement.errors,
    "means and errors over the examples are those of the run": agreement.examples,
    "0 ≤ I(X;Z) ≤ R and ≤ log N": bounds.information,
    "E ≤ G ≤ U for what the model draws": bounds.generative,
    "a run's id is that of its description and data": identity.named,
    "a run did what it was asked for": identity.asked,
    "H is that of the data": identity.entropy,
}
"""Each claim rests on every column that bears on it."""
