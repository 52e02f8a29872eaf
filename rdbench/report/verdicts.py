"""What must hold of measured numbers, whatever the model."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from rdbench.tables import iwae_columns, measures

ERRORS = 3.0
"""How many standard errors a bound may be missed by."""

ROUNDING = 1e-5
"""Nats that sums over hundreds of pixels may lose."""


@dataclass(frozen=True)
class Verdict:
    """A claim, whether the runs it rests on bear it out, and those that break it."""

    claim: str
    status: Literal["holds", "broken", "not measured"]
    runs: int
    broken: list[str]


def verdicts(runs: pd.DataFrame) -> list[Verdict]:
    """Every claim on the runs that ended well."""
    measured = runs[runs["status"] == "ok"]
    return [_judge(claim, measured, rule) for claim, rule in CLAIMS.items()]


def _judge(claim: str, runs: pd.DataFrame, rule: Callable[[pd.DataFrame], pd.Series]) -> Verdict:
    """A rule says of each run whether the claim holds (1) or not (0); NaN where it does not apply."""
    holds = rule(runs).astype(float)
    rests_on, broken = runs[holds.notna()], runs[holds == 0]
    if rests_on.empty:
        return Verdict(claim, "not measured", 0, [])
    return Verdict(claim, "holds" if broken.empty else "broken", len(rests_on), list(broken["run_id"]))


def _finite(runs: pd.DataFrame) -> pd.Series:
    """Of IWAE-k, what a run was asked for: a store may hold runs with other k."""
    asked = runs["config"].map(lambda config: json.loads(config)["iwae"])
    holds = pd.Series(True, index=runs.index)
    for name in measures(runs):
        finite = runs[[name, f"{name}_se"]].map(math.isfinite).all(axis=1)
        unasked = asked.map(lambda ks, name=name: name.startswith("iwae_") and int(name[5:]) not in ks)
        holds &= finite | unasked.astype(bool)
    return holds


def _parts_sum(runs: pd.DataFrame) -> pd.Series:
    return (runs["elbo"] + runs["rate"] + runs["distortion"]).abs() <= ROUNDING


def _rate_is_positive(runs: pd.DataFrame) -> pd.Series:
    return runs["rate"] >= -ERRORS * runs["rate_se"] - ROUNDING


def _above_entropy(runs: pd.DataFrame) -> pd.Series:
    if "entropy" not in runs:
        return pd.Series(np.nan, index=runs.index)
    holds = (-runs["elbo"] >= runs["entropy"] - ERRORS * runs["elbo_se"]).astype(float)
    return holds.where(runs["entropy"].notna())


def _iwae_ordered(runs: pd.DataFrame) -> pd.Series:
    """IWAE-k rises with k: exactly where one k divides the other, for both are then means over the same draws."""
    bounds = iwae_columns(runs)
    holds = pd.Series(np.nan, index=runs.index)
    for k, larger in pairwise([0, *bounds]):
        low = runs[f"iwae_{k}" if k else "elbo"]
        high, error = runs[f"iwae_{larger}"], runs[f"iwae_{larger}_se"]
        exact = k > 0 and larger % k == 0 and bounds[-1] % larger == 0
        ordered = (high >= low - (ROUNDING if exact else ERRORS * error)).astype(float)
        holds = holds.combine(ordered.where(high.notna() & low.notna()), np.fmin)
    return holds


CLAIMS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "every measure and its error is finite": _finite,
    "R + D = −ELBO": _parts_sum,
    "R ≥ 0 within 3 standard errors": _rate_is_positive,
    "IWAE-k does not fall as k grows": _iwae_ordered,
    "R + D ≥ H within 3 standard errors, where H is known": _above_entropy,
}
