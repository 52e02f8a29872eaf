"""Runs in order, the frontier among them, and the seeds of one description as one row."""

import re

import numpy as np
import pandas as pd

from rdbench.family import FAMILIES

FAMILY_ORDER = {family.words: index for index, family in enumerate(FAMILIES)}
DESCRIPTION = ("dataset", "dataset_sha256", "family", "width", "latent_dim", "pseudo_inputs", "objective", "beta",
               "target_rate", "anneal_epochs", "epochs", "batch_size", "learning_rate", "precision",
               "evaluation_images", "rate_samples", "status")  # fmt: skip
"""The columns that runs of one description, but for the seed, have in common."""


def iwae_columns(runs: pd.DataFrame) -> list[int]:
    """The k of every IWAE-k column, ascending."""
    found = (re.fullmatch(r"iwae_(\d+)", str(column)) for column in runs.columns)
    return sorted(int(match[1]) for match in found if match)


def measures(runs: pd.DataFrame) -> list[str]:
    """The measured columns that runs have, each with a standard error beside it."""
    return ["rate", "distortion", "elbo", *(f"iwae_{k}" for k in iwae_columns(runs))]


def sort_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs by dataset, family in the order of the tables, β, annealing and seed."""
    order = runs.assign(_family=runs["family"].map(FAMILY_ORDER))
    keys = ["dataset", "_family", "beta", "anneal_epochs", "seed", "run_id"]
    return order.sort_values(keys, ignore_index=True).drop(columns="_family")


def frontier(rate: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """The indices of runs that no other beats in both rate and distortion, by ascending rate.

    >>> frontier(np.array([0.0, 5.0, 6.0]), np.array([80.0, 70.0, 75.0]))
    array([0, 1])
    """
    order = np.lexsort((distortion, rate))
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], distortion[order]]))[:-1]
    return order[distortion[order] < best_before]


def mark_frontier(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with a column ``frontier``: whether a run that ended well is on the frontier of its dataset."""
    on_frontier = pd.Series(False, index=runs.index)
    for _, same in runs[runs["status"] == "ok"].groupby("dataset_sha256", dropna=False):
        best = frontier(same["rate"].to_numpy(), same["distortion"].to_numpy())
        on_frontier[same.index[best]] = True
    return runs.assign(frontier=on_frontier)


def join_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a description: several seeds become their mean, with their standard deviation in place of the error.

    The column ``seeds`` says how many there are; a single run keeps its own standard errors.
    """
    keys = [name for name in DESCRIPTION if name in runs.columns]
    counts = runs.groupby(keys, dropna=False)["seed"].transform("size")
    single = runs[counts == 1].assign(seeds=1)
    rows = []
    for _, same in runs[counts > 1].groupby(keys, dropna=False):
        row = same.iloc[0].to_dict() | {"seeds": len(same), "frontier": bool(same["frontier"].any())}
        for name in measures(runs):
            row |= {name: same[name].mean(), f"{name}_se": same[name].std()}
        row["train_seconds"] = same["train_seconds"].mean()
        rows.append(row)
    return sort_runs(pd.concat([single, pd.DataFrame(rows)]) if rows else single)
