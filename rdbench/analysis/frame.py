"""Sort runs, find their frontier, and join the seeds of one description into one row."""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from rdbench.config.aims import AIMS, aim
from rdbench.config.family import FAMILIES, TOY, family_of
from rdbench.store.row_checks import read_config
from rdbench.store.status import Status

FAMILY_ORDER = {family.words: index for index, family in enumerate((*FAMILIES, TOY))}


def family_order(words: str) -> tuple[int, str]:
    """The sort key of families: the paper's in its order, then the others by name."""
    return FAMILY_ORDER.get(words, len(FAMILY_ORDER)), words


SAME_IMAGES = ["dataset_sha256", "test_images", "labels"]
"""Runs that agree in these columns explain the same images, or the same labels; only they are ranked together."""


VARYING = ("objective", "target_rate", "free_nats", "train_samples", "anneal_from", "width", "latent_dim",
           "anneal_epochs", "epochs", "batch_size", "learning_rate", "warmup", "schedule", "average", "precision",
           "test_images", "binarise", "binarise_seed", "labels", "seed")  # fmt: skip
"""Settings that a run's label shows if runs differ in them."""


def varying(runs: pd.DataFrame) -> list[str]:
    """The settings in which runs differ, besides family and β, those of parts included."""
    of_parts = dict.fromkeys(name for config in runs["config"].unique() for name in read_config(config).settings)
    differing = [name for name in VARYING if name in runs and runs[name].nunique(dropna=False) > 1]
    return differing + [name for name in of_parts if name in runs and runs[name].nunique() > 1]


def labels(runs: pd.DataFrame, among: pd.DataFrame | None = None) -> pd.Series:
    """Each run in words: the signs of its family, β, and the settings in which the runs ``among`` these differ."""
    differing = [name for name in varying(runs if among is None else among) if name not in AIMS]
    words = []
    for run in runs.to_dict("records"):
        settings = [f"{name} {setting(run[name])}" for name in differing]
        words.append("  ".join([family_of(run["family"]).signs, aim(run), *settings]))
    return pd.Series(words, index=runs.index, dtype=object)


def setting(value: Any) -> str:
    """A setting as a short text."""
    if isinstance(value, str):
        return value
    return "–" if pd.isna(value) else f"{value:g}"


def measured(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with status ``ok`` whose rate, distortion and ELBO are finite."""
    finite = np.isfinite(runs["rate"]) & np.isfinite(runs["distortion"]) & np.isfinite(runs["elbo"])
    return runs[(runs["status"] == Status.OK) & finite]


def asked_bounds(run: Mapping[Any, Any]) -> list[int]:
    """The k of the IWAE-k that a run was asked for, ascending."""
    return list(read_config(run["config"]).iwae)


def iwae_columns(runs: pd.DataFrame) -> list[int]:
    """The k of every IWAE-k column, ascending."""
    return numbered(runs, "iwae")


def numbered(runs: pd.DataFrame, name: str) -> list[int]:
    """The n of every column called ``<name>_<n>``, ascending."""
    found = (re.fullmatch(rf"{name}_([1-9][0-9]{{0,17}})", str(column)) for column in runs.columns)
    return sorted(int(match[1]) for match in found if match)


def measures(runs: pd.DataFrame) -> list[str]:
    """The measures of runs: columns that have a standard error."""
    return [name for name in runs.columns if f"{name}_se" in runs.columns and is_float_dtype(runs[name])]


def sort_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Sort runs by dataset, family, objective, β or target, annealing and seed."""
    order = runs.assign(_family=runs["family"].map(FAMILY_ORDER).fillna(len(FAMILY_ORDER)))
    keys = ["dataset", "_family", "family", "objective", *AIMS, "anneal_epochs", "seed", "run_id"]
    return order.sort_values([key for key in keys if key in order], ignore_index=True).drop(columns="_family")


def frontier(rate: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """The indices of runs that no other beats in both rate and distortion, by ascending rate.

    >>> frontier(np.array([0.0, 5.0, 6.0]), np.array([80.0, 70.0, 75.0]))
    array([0, 1])
    """
    order = np.lexsort((distortion, rate))
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], distortion[order]]))[:-1]
    return order[distortion[order] < best_before]


def frontiers(runs: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs on the frontier, by ascending rate, for each set of runs measured on the same images."""
    sets = (same for _, same in runs.groupby(SAME_IMAGES, dropna=False))
    return [same.iloc[frontier(same["rate"].to_numpy(), same["distortion"].to_numpy())] for same in sets]


def mark_frontier(runs: pd.DataFrame) -> pd.DataFrame:
    """Add a column ``frontier``: whether a run is on the frontier of the runs measured on the same images."""
    on_frontier = pd.Series(False, index=runs.index)
    for best in frontiers(measured(runs)):
        on_frontier[best.index] = True
    return runs.assign(frontier=on_frontier)


MEANS = ("train_seconds", "active_units", "effective_beta")
"""Columns without a standard error that are averaged over seeds."""


def join_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Join the seeds of each description into one row: their means, and standard deviations in place of the errors.

    The column ``seeds`` has their number, ``run_ids`` their ids; a single run keeps its own standard errors. If some
    seeds lack a measure, ``known`` has by its name how many have it.
    """
    runs = runs.assign(run_ids=runs["run_id"].map(lambda run_id: [run_id]))
    keys = [runs["config"].map(but_for_seed), runs["dataset_sha256"], runs["status"]]
    counts = runs.groupby(keys)["seed"].transform("nunique")
    single = runs[counts == 1].assign(seeds=1, known=None)
    rows = []
    for _, same in runs[counts > 1].groupby([key[counts > 1] for key in keys]):
        row = same.iloc[0].to_dict() | {"seeds": len(same), "frontier": bool(same["frontier"].any())}
        row["run_ids"] = list(same["run_id"])
        for name in measures(runs):
            row |= {name: same[name].mean(), f"{name}_se": same[name].std()}
        some = same[measures(runs)].count()
        row["known"] = some[(some > 0) & (some < len(same))].to_dict()
        row |= {name: same[name].mean() for name in MEANS if name in same}
        if "rate_by_dimension" in same and same["rate_by_dimension"].notna().all():
            row["rate_by_dimension"] = np.mean(np.stack(list(same["rate_by_dimension"])), axis=0)
        rows.append(row)
    return sort_runs(pd.concat([single, pd.DataFrame(rows)]) if rows else single)


def but_for_seed(config: str, *others: str) -> str:
    """A description without the seed, the dataset's name and ``others``: equal for runs that differ only in these."""
    run = read_config(config)
    return json.dumps(vars(run) | run.settings | dict.fromkeys(("seed", "dataset", *others)), sort_keys=True)
