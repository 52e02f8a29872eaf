"""Differences between runs, with intervals."""

import json

import numpy as np
import pandas as pd

from rdbench.analysis.frame import SAME_IMAGES, labels, measured
from rdbench.analysis.report.verdicts import ROUNDING
from rdbench.analysis.stores import Source
from rdbench.config.run_config import make_run
from rdbench.store.status import Status
from rdbench.store.store import EmptyTableError

CONFIDENCE = 0.95
RESAMPLES = 1999
NORMAL_QUANTILE = 1.96


def paired_differences(store: Source, runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The best run of each family against the best run of all that were measured on the same test images.

    A row has the mean of the per-image differences in −ELBO (nats per image), a paired bootstrap interval, and whether
    it leaves out 0. The intervals of a table hold jointly at 95% (Bonferroni); that the best run was chosen on these
    very images they do not know. The lines beside them are of files that cannot be read.
    """
    rows, skipped = [], []
    for _, same in measured(runs.assign(label=labels(runs))).groupby(SAME_IMAGES, sort=False):
        best = same.loc[same.groupby("family", sort=False)["elbo"].idxmax()].sort_values("elbo", ascending=False)
        if len(best) < 2:
            continue
        per_image, unread = _neg_elbo_per_image(store, list(best["run_id"]))
        skipped += unread
        known = [run for run in best.to_dict("records") if len(per_image.get(run["run_id"], ())) == run["test_images"]]
        confidence = 1 - (1 - CONFIDENCE) / (len(best) - 1)
        if len(known) < 2:
            continue
        winner, others = known[0], known[1:]
        differences = np.stack([per_image[other["run_id"]] - per_image[winner["run_id"]] for other in others])
        for other, difference, low, high in zip(others, differences, *intervals(differences, confidence), strict=True):
            rows.append(
                {
                    "dataset": winner["dataset"],
                    "best": winner["label"],
                    "other": other["label"],
                    "difference": difference.mean(),
                    "low": low,
                    "high": high,
                    "finding": "behind" if low > 0 else "no difference seen",
                    "run_ids": [winner["run_id"], other["run_id"]],
                }
            )
    return pd.DataFrame(rows), skipped


def _neg_elbo_per_image(store: Source, run_ids: list[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """−ELBO of each test image in the order of its index, by run, and a line for each file that cannot be read.

    Runs for which it is no number are left out.
    """
    try:
        examples, skipped = store.read("examples", run_ids)
    except EmptyTableError as error:  # a store may have been published without its largest table
        return {}, error.skipped
    examples = examples.sort_values("index").assign(neg_elbo=examples["rate"] + examples["distortion"])
    per_image = {str(run_id): mine["neg_elbo"].to_numpy(float) for run_id, mine in examples.groupby("run_id")}
    return {run_id: values for run_id, values in per_image.items() if np.isfinite(values).all()}, skipped


def intervals(differences: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap intervals of the means of (..., images) differences: their lower ends, their upper ends.

    All rows share their resamples of the images, so that many rows cost little more than one.
    """
    generator, images = np.random.default_rng(0), differences.shape[-1]
    means = np.empty((RESAMPLES, *differences.shape[:-1]))
    for resample in range(RESAMPLES):
        counts = np.bincount(generator.integers(images, size=images), minlength=images)
        means[resample] = differences @ counts / images
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def against_baseline(runs: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Each run beside the baseline's run of the same description: −ELBO of both, the difference, a 95% interval.

    Descriptions are compared with today's defaults filled in, so ids may differ. The interval is that of two separate
    measurements, not of paired images: two trainings never end in the same place, and a paired interval, which knows
    only the images' noise, would call every retraining a change. ``finding`` is "regression", "better", "same",
    "missing here", "not in the baseline" or "no error known".
    """
    here, there = (_by_description(frame) for frame in (runs, baseline))
    joined = here.merge(there, on="description", how="outer", suffixes=("", "_baseline"))
    change = joined["elbo_baseline"] - joined["elbo"]
    error = NORMAL_QUANTILE * (joined["elbo_se"] ** 2 + joined["elbo_se_baseline"] ** 2) ** 0.5
    finding = pd.Series("same", index=joined.index)
    finding[change + error < -ROUNDING] = "better"
    finding[change - error > ROUNDING] = "regression"
    finding[error.isna()] = "no error known"
    finding[joined["elbo_baseline"].isna()] = "not in the baseline"
    finding[joined["elbo"].isna() & joined["elbo_baseline"].notna()] = "missing here"
    return pd.DataFrame(
        {
            "run_id": joined["run_id"].fillna(joined["run_id_baseline"]),
            "label": joined["label"].fillna(joined["label_baseline"]),
            "family": joined["family"].fillna(joined["family_baseline"]),
            "beta": joined["beta"].fillna(joined["beta_baseline"]),
            "seed": joined["seed"].fillna(joined["seed_baseline"]).astype(int),
            "neg_elbo": -joined["elbo"],
            "neg_elbo_baseline": -joined["elbo_baseline"],
            "difference": change,
            "low": change - error,
            "high": change + error,
            "finding": finding,
        }
    )


def _by_description(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with their canonical description: config with defaults filled in, and the data by checksum."""
    descriptions = [
        make_run(json.loads(config), reading=True).model_dump_json(exclude={"dataset"}) + str(sha256)
        for config, sha256 in zip(runs["config"], runs["dataset_sha256"], strict=True)
    ]
    elbo = runs["elbo"].where(runs["status"] == Status.OK)
    described = runs.assign(description=descriptions, elbo=elbo, label=labels(runs))
    columns = ["description", "label", "run_id", "family", "beta", "seed", "elbo", "elbo_se"]
    return described[columns].drop_duplicates("description")
