"""Paired differences between the best run of each family and the best of all, image by image."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from rdbench.analysis.examples import neg_elbo
from rdbench.analysis.frame import SAME_IMAGES, labels, measured
from rdbench.analysis.stores import Source

CONFIDENCE = 0.95


def paired_differences(store: Source, runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Compare the best run of each family with the best of all runs that were measured on the same test images.

    A row has the mean of the per-image differences in −ELBO (nats per image), a Student's t interval, and a finding.
    The best runs are chosen on these same images, so the intervals hold at 95% jointly for all pairs of runs. The
    messages name files that cannot be read, and a best run that has no examples.
    """
    rows, lines = [], []
    for _, same in measured(runs).groupby(SAME_IMAGES, sort=False, dropna=False):
        best = same.loc[same.groupby("family", sort=False)["elbo"].idxmax()].sort_values("elbo", ascending=False)
        if len(best) < 2:
            continue
        per_image, unread = neg_elbo(store, list(best["run_id"]))
        lines += unread
        images = best["test_images"].iloc[0]
        per_image = {run_id: values for run_id, values in per_image.items() if len(values) == images}
        winner = best["run_id"].iloc[0]
        if winner in per_image:
            best = best.assign(label=labels(best, among=runs))
            rows += beside_the_best(best.to_dict("records"), per_image, len(same))
        elif per_image:
            lines.append(f"run {winner}, the best, has no {images:g} examples: none is compared with it")
    return pd.DataFrame(rows), lines


def beside_the_best(
    best: Sequence[Mapping[Any, Any]], per_image: Mapping[str, NDArray[np.float64]], chosen_from: int
) -> list[dict[str, Any]]:
    """A row for each run with examples but the first, which is the best of ``chosen_from`` runs."""
    winner, *others = best
    confidence = 1 - (1 - CONFIDENCE) / math.comb(chosen_from, 2)
    rows = []
    for other in others:
        if other["run_id"] not in per_image:
            continue
        difference = per_image[other["run_id"]] - per_image[winner["run_id"]]
        low, high = interval(difference, confidence)
        found = "behind" if low > 0 else "no difference seen"
        rows.append(
            {
                "dataset": winner["dataset"],
                "best": winner["label"],
                "other": other["label"],
                "difference": difference.mean(),
                "low": low,
                "high": high,
                "finding": found if math.isfinite(low) else "too few images",
                "run_ids": [winner["run_id"], other["run_id"]],
            }
        )
    return rows


def interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Student's t interval of a mean, NaN if there is only one value.

    >>> low, high = interval(np.array([0.0, 2.0]), 0.95)
    >>> round(low, 3), round(high, 3)
    (-11.706, 13.706)
    """
    if len(values) < 2:
        return math.nan, math.nan
    half = stdtrit(len(values) - 1, (1 + confidence) / 2) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
