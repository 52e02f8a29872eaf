"""What must hold of measured numbers, whatever the model."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import pandas as pd

from rdbench.analysis.frame import asked_bounds
from rdbench.store.status import Status

Row = Mapping[Any, Any]

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
    measured = runs[runs["status"] == Status.OK]
    return [_judge(claim, measured, rule) for claim, rule in CLAIMS.items()]


def _judge(claim: str, runs: pd.DataFrame, rule: Callable[[pd.DataFrame], pd.Series]) -> Verdict:
    """A rule says of each run whether the claim holds (1) or not (0); NaN where it does not apply."""
    holds = rule(runs)
    rests_on, broken = runs[holds.notna()], runs[holds == 0]
    if rests_on.empty:
        return Verdict(claim, "not measured", 0, [])
    return Verdict(claim, "holds" if broken.empty else "broken", len(rests_on), list(broken["run_id"]))


def _finite(runs: pd.DataFrame) -> pd.Series:
    return _each(runs, lambda run: all(math.isfinite(run.get(name, math.nan)) for name in _measures(run)))


def _parts_sum(runs: pd.DataFrame) -> pd.Series:
    return _each(runs, lambda run: abs(run["elbo"] + run["rate"] + run["distortion"]) <= ROUNDING)


def _rate_is_positive(runs: pd.DataFrame) -> pd.Series:
    return _each(runs, lambda run: _at_least(run["rate"], 0, run["rate_se"]))


def _iwae_ordered(runs: pd.DataFrame) -> pd.Series:
    """IWAE-k rises with k: exactly where one k divides the other, for both are then means over the same draws."""

    def ordered(run: Row) -> float:
        bounds = asked_bounds(run)
        holds = [_at_least(run["encoder_gap"], 0, _error(run, "encoder_gap"))] if "encoder_gap" in run else []
        for k, larger in pairwise(bounds):
            exact = larger % k == 0 == bounds[-1] % larger
            error = 0.0 if exact else _error(run, f"iwae_{larger}")
            value, bound = (run.get(f"iwae_{number}", math.nan) for number in (larger, k))
            holds.append(_at_least(value, bound, error))
        known = [value for value in holds if not math.isnan(value)]
        return min(known, default=math.nan)

    return _each(runs, ordered)


def _above_entropy(runs: pd.DataFrame) -> pd.Series:
    """By the paired gap to log p* where a run has it, and else by the entropy and the error of the mean."""

    def above(run: Row) -> float:
        if math.isnan(run.get("entropy") or math.nan):
            return math.nan
        holds = []
        for name in ("elbo", *(f"iwae_{k}" for k in asked_bounds(run))):
            if math.isfinite(run.get(f"{name}_gap", math.nan)):
                holds.append(_at_least(run[f"{name}_gap"], 0, _error(run, f"{name}_gap")))
            else:
                holds.append(_at_least(-run.get(name, math.nan), run["entropy"], _error(run, name)))
        return min((value for value in holds if not math.isnan(value)), default=math.nan)

    return _each(runs, above)


def _each(runs: pd.DataFrame, holds: Callable[[Row], float]) -> pd.Series:
    return pd.Series([float(holds(run)) for run in runs.to_dict("records")], index=runs.index, dtype=float)


def _measures(run: Row) -> list[str]:
    """What a run was asked to measure: a store may hold others that were asked for other k."""
    return ["rate", "distortion", "elbo", *(f"iwae_{k}" for k in asked_bounds(run))]


def _error(run: Row, name: str) -> float:
    return run.get(f"{name}_se", math.nan)


def _at_least(value: float, bound: float, error: float) -> float:
    """Whether a value reaches a bound within 3 standard errors; NaN where one of them is."""
    missing = any(map(math.isnan, (value, bound, error)))
    return math.nan if missing else float(value >= bound - ERRORS * error - ROUNDING)


CLAIMS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "every measure is finite": _finite,
    "R + D = −ELBO": _parts_sum,
    "R ≥ 0 within 3 standard errors": _rate_is_positive,
    "IWAE-k does not fall as k grows, nor below the ELBO": _iwae_ordered,
    "R + D and −IWAE-k ≥ H within 3 standard errors, where H is known": _above_entropy,
}
