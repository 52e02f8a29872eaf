"""Verdicts: whether each claim holds of a store's runs, and which runs break it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from rdbench.analysis.gate.claims import CLAIMS
from rdbench.analysis.gate.judging import Judgement, allowed
from rdbench.analysis.gate.measured import Measured
from rdbench.store.status import Status

Found = Literal["holds", "broken", "number missing", "not measured"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim from the runs with status ``ok``.

    ``runs`` is the number of runs on which it could be judged, ``broken`` the ids of the runs that break it, and
    ``missing`` those of runs that lack a number it needs. ``why`` names the columns for each of these ids.
    """

    claim: str
    status: Found
    runs: int
    broken: list[str]
    missing: list[str]
    why: dict[str, str]


def verdicts(runs: pd.DataFrame, examples: pd.DataFrame) -> list[Verdict]:
    """The verdict on every claim; ``examples`` has the means of the runs' per-image tables, by run id."""
    ended = runs[runs["status"] == Status.OK].reset_index(drop=True)
    if ended.empty:
        return [Verdict(claim.words, "not measured", 0, [], [], {}) for claim in CLAIMS]
    measured = Measured(ended, examples)
    judgements = {claim.words: list(claim.rule(measured)) for claim in CLAIMS}
    by_chance = sum(int(((j.error > 0) & j.slack.notna()).sum()) for made in judgements.values() for j in made)
    return [_verdict(claim, made, list(ended["run_id"]), by_chance) for claim, made in judgements.items()]


def _verdict(claim: str, judgements: list[Judgement], run_ids: list[str], by_chance: int) -> Verdict:
    judged = np.zeros(len(run_ids), bool)
    broken: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for judgement in judgements:
        slack, error, examples = (column.to_numpy(float) for column in judgement[1:])
        applies = ~np.isnan(slack)
        lacks = applies & ~np.isfinite(error)
        fails = applies & ~lacks & (slack < -allowed(error, examples, by_chance))
        judged |= applies & ~lacks
        for index in np.flatnonzero(fails):
            broken.setdefault(run_ids[index], []).append(judgement.what)
        for index in np.flatnonzero(lacks):
            missing.setdefault(run_ids[index], []).append(judgement.what)
    status: Found = "broken" if broken else "number missing" if missing else "holds" if judged.any() else "not measured"
    why = {run_id: "; ".join(missing.get(run_id, []) + broken.get(run_id, [])) for run_id in {**missing, **broken}}
    return Verdict(claim, status, int(judged.sum()), list(broken), list(missing), why)
