"""Compare runs with the runs of the same description in another store."""

import math

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from rdbench.analysis.examples import batches, per_image
from rdbench.analysis.frame import labels
from rdbench.analysis.gate.measured import ROUNDING
from rdbench.analysis.stores import Source
from rdbench.store.row_checks import read_config
from rdbench.store.status import Status
from rdbench.store.store import Store

CONFIDENCE = 0.95
MEASURES = ("neg_elbo", "rate", "distortion")

TRAINING = 5.0
"""Nats by which two trainings may differ if no seeds tell the spread: two processors differed by 1.2 to 2.5."""

EXACT = 0.01
"""The same for numbers without a standard error, such as the toy's."""


def against_baseline(
    store: Source, runs: pd.DataFrame, other: Store, baseline: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """Each run beside the baseline's: −ELBO, R and D, this store less the baseline, with 95% intervals for all jointly.

    Descriptions are compared with today's defaults filled in, so ids may differ. The error of a difference is that over
    images, paired where both stores have the examples, and that of training: √2 times the standard deviation over seeds
    where some description has several, which are compared by their means. Where none has, a difference within
    ``TRAINING`` nats counts as none.

    ``finding`` is "regression" or "better" by −ELBO, "moved" where R or D changed, "same", "missing here", "not in the
    baseline" or "no error known". The lines beside them are of files that cannot be read.
    """
    here, there = _described(runs), _described(baseline)
    both = here.merge(there, on="description", suffixes=("", "_baseline")).dropna(
        subset=["neg_elbo", "neg_elbo_baseline"]
    )
    paired, skipped = _paired(store, other, both)
    return compare(here, there, paired), skipped


def compare(here: pd.DataFrame, there: pd.DataFrame, paired: pd.DataFrame) -> pd.DataFrame:
    """The table of ``against_baseline``, from the described runs of both stores.

    ``paired`` has the standard errors of differences on the same images, by the run's id here.
    """
    joined = here.merge(there, on="description", how="outer", suffixes=("", "_baseline"))
    rows = pd.DataFrame({name: joined[name].fillna(joined[f"{name}_baseline"]) for name in IDENTITY})
    rows = rows.assign(
        seed=rows["seed"].astype(int),
        neg_elbo=joined["neg_elbo"],
        neg_elbo_baseline=joined["neg_elbo_baseline"],
        paired=joined["run_id"].isin(paired.index),
    )
    both = joined[joined["neg_elbo"].notna() & joined["neg_elbo_baseline"].notna()]
    comparisons = len(MEASURES) * max(both["but_for_seed"].nunique(), 1)
    for name in MEASURES:
        rows = rows.join(_compared(joined, paired, name, *_training_noise([here, there], name), comparisons))
    rows["finding"] = _findings(rows)
    renamed = {"neg_elbo_difference": "difference", "neg_elbo_low": "low", "neg_elbo_high": "high"}
    return rows.drop(columns=[f"{name}_allowed" for name in MEASURES]).rename(columns=renamed)


IDENTITY = ("run_id", "label", "family", "beta", "seed")


def _described(runs: pd.DataFrame) -> pd.DataFrame:
    """Add each run's description, with defaults filled in and the data by checksum, and the same without the seed."""
    described = [read_config(config) for config in runs["config"]]
    sha256 = runs["dataset_sha256"].astype(str)
    found = runs.assign(
        description=[run.model_dump_json(exclude={"dataset"}) for run in described] + sha256,
        but_for_seed=[run.model_dump_json(exclude={"dataset", "seed"}) for run in described] + sha256,
        label=labels(runs),
        neg_elbo=-runs["elbo"],
        neg_elbo_se=runs["elbo_se"],
    )
    numbers = [*MEASURES, *(f"{name}_se" for name in MEASURES)]
    found.loc[found["status"] != Status.OK, numbers] = np.nan
    return found[["description", "but_for_seed", *IDENTITY, "test_images", *numbers]].drop_duplicates("description")


def _paired(store: Source, other: Store, both: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Standard errors of paired differences over images, for the runs whose examples both stores have."""
    rows, skipped = {}, []
    for ids in batches(both):
        mine = both[both["run_id"].isin(ids)]
        ours, unread = per_image(store, ids)
        theirs, unread_there = per_image(other, list(mine["run_id_baseline"]))
        skipped += unread + unread_there
        for run_id, run_id_there, images in zip(
            mine["run_id"], mine["run_id_baseline"], mine["test_images"], strict=True
        ):
            here, there = ours.get(run_id), theirs.get(run_id_there)
            if here is None or there is None or len(here) != images or not here.index.equals(there.index):
                continue
            difference = here - there
            difference["neg_elbo"] = difference["rate"] + difference["distortion"]
            rows[run_id] = difference.std() / math.sqrt(images)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(MEASURES)), skipped


def _training_noise(stores: list[pd.DataFrame], name: str) -> tuple[pd.Series, int]:
    """The variance of a measure over seeds, by description without the seed; and its degrees of freedom in all.

    It is the variance pooled over all descriptions, or the description's own if that is larger.
    """
    known = pd.concat([runs.assign(store=number) for number, runs in enumerate(stores)])
    known = known[known[name].notna()]
    groups = known.groupby(["but_for_seed", "store"])[name]
    freedom, variance = groups.count() - 1, groups.var().fillna(0.0)
    total = int(freedom.sum())
    squares = (freedom * variance).groupby("but_for_seed").sum()
    own = squares / freedom.groupby("but_for_seed").sum().clip(lower=1)
    return own.clip(lower=squares.sum() / max(total, 1)), total


def _compared(
    joined: pd.DataFrame, paired: pd.DataFrame, name: str, variance: pd.Series, freedom: int, comparisons: int
) -> pd.DataFrame:
    """The difference in a measure, its interval, and the further nats by which it may differ."""
    each = joined[name] - joined[f"{name}_baseline"]
    seeds = joined["but_for_seed"].where(each.notna())
    difference = each.groupby(seeds).transform("mean").to_numpy(float)
    apart = np.hypot(joined[f"{name}_se"].to_numpy(float), joined[f"{name}_se_baseline"].to_numpy(float))
    together = joined["run_id"].map(paired[name]).to_numpy(float)
    image = np.where(np.isnan(apart) | np.isnan(together), apart, together) ** 2
    image = pd.Series(image, joined.index).groupby(seeds).transform("max").to_numpy(float)
    count = seeds.groupby(seeds).transform("count").to_numpy(float)
    training = 2 * joined["but_for_seed"].map(variance).fillna(0.0).to_numpy(float) / count
    total = image + training
    parts = image**2 / np.maximum(joined["test_images"].to_numpy(float) - 1, 1) + training**2 / max(freedom, 1)
    degrees = np.divide(total**2, parts, out=np.ones_like(total), where=parts > 0)  # Welch and Satterthwaite's
    half = -stdtrit(degrees, (1 - CONFIDENCE) / 2 / comparisons) * np.sqrt(total)
    allowed = np.full(len(joined), ROUNDING) if freedom else np.where(apart == 0, EXACT, TRAINING)
    found = {"difference": difference, "low": difference - half, "high": difference + half, "allowed": allowed}
    return pd.DataFrame({f"{name}_{key}": values for key, values in found.items()}, index=joined.index)


def _findings(rows: pd.DataFrame) -> pd.Series:
    finding = pd.Series("same", index=rows.index)
    for name in ("rate", "distortion"):
        allowed = rows[f"{name}_allowed"]
        finding[(rows[f"{name}_low"] > allowed) | (rows[f"{name}_high"] < -allowed)] = "moved"
    finding[rows["neg_elbo_high"] < -rows["neg_elbo_allowed"]] = "better"
    finding[rows["neg_elbo_low"] > rows["neg_elbo_allowed"]] = "regression"
    finding[rows[[f"{name}_low" for name in MEASURES]].isna().any(axis=1)] = "no error known"
    finding[rows["neg_elbo_baseline"].isna()] = "not in the baseline"
    finding[rows["neg_elbo"].isna() & rows["neg_elbo_baseline"].notna()] = "missing here"
    return finding
