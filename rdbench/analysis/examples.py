"""The per-image table ``examples``: whole, or as means with one row for each run."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rdbench.analysis.frame import iwae_columns
from rdbench.analysis.stores import Source, each, holder
from rdbench.store.parquet import files
from rdbench.store.store import EmptyTableError, Store

ROWS_AT_ONCE = 2_000_000


def means(source: Source, runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Means over the test images, a row for each run by run id; and a message for each file that cannot be read.

    ``<name>`` and ``<name>_se`` are the mean of a column and its standard error: NaN if the run lacks the column,
    infinite if only some of its images have it. ``<a>_less_<b>`` is the mean of a paired difference. ``count`` is the
    number of images. ``indices`` is 1 if they are numbered from 0, each once. ``expected`` is always 1; a store that
    was published without ``examples``, its largest table, gives no rows at all.
    """
    parts, skipped = [], []
    for store in each(source):
        mine = runs["run_id"].map(lambda run_id, store=store: holder(source, run_id) is store).astype(bool)
        found, unread = _means(store, runs[mine])
        parts.append(found)
        skipped += unread
    return pd.concat(parts), skipped


def _means(store: Store, runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    parts, skipped = [], []
    for run_ids in batches(runs):
        try:
            rows, unread = store.read("examples", run_ids)
        except EmptyTableError as error:
            skipped += error.skipped
            continue
        skipped += unread
        parts.append(summary(rows))
    skipped = list(dict.fromkeys(skipped))
    if not files(store.storage, "examples"):
        return pd.DataFrame(), skipped
    found = pd.concat(parts) if parts else pd.DataFrame({"count": []})
    return found.reindex(runs["run_id"]).assign(expected=1.0), skipped


def neg_elbo(store: Source, run_ids: list[str]) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """−ELBO of each test image in nats, ordered by index, by run; and a message for each file that cannot be read.

    Runs with a −ELBO that is not finite are left out.
    """
    found, skipped = per_image(store, run_ids)
    values = {run_id: mine["rate"] + mine["distortion"] for run_id, mine in found.items()}
    return {run_id: nats.to_numpy() for run_id, nats in values.items() if np.isfinite(nats).all()}, skipped


def per_image(store: Source, run_ids: list[str]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Rate and distortion of each test image by its index, by run; and a message for each unreadable file."""
    try:
        rows, skipped = store.read("examples", run_ids)
    except EmptyTableError as error:
        return {}, error.skipped
    rows = rows.sort_values("index")
    columns = ["rate", "distortion"]
    return {
        str(run_id): mine.set_index("index")[columns].astype(float) for run_id, mine in rows.groupby("run_id")
    }, skipped


def batches(runs: pd.DataFrame) -> Iterator[list[str]]:
    """The run ids in batches whose per-image rows fit in memory."""
    batch = (runs["test_images"].fillna(0).cumsum() // ROWS_AT_ONCE).to_numpy()
    for _, same in runs.groupby(batch, sort=False):
        yield list(same["run_id"])


def summary(examples: pd.DataFrame) -> pd.DataFrame:
    """The row of each run in a table of examples; a row of no run counts for none."""
    examples = examples[examples["run_id"].notna()]
    bounds = ["elbo", *(f"iwae_{k}" for k in iwae_columns(examples))]
    values = examples[["rate", "distortion", *bounds[1:]]].astype(float)
    values["elbo"] = -(values["rate"] + values["distortion"])
    for low, high in combinations(bounds, 2):
        values[f"{high}_less_{low}"] = values[high] - values[low]
    numbers, names = pd.factorize(examples["run_id"])  # which are grouped faster than texts
    weights = examples.get("probability", pd.Series(np.nan, examples.index)).astype(float)
    exact = weights.groupby(numbers).count() > 0  # every x with its probability: no sampling error
    count = values.groupby(numbers).size()
    known = values.groupby(numbers).count()
    partly = (known > 0) & known.lt(count, axis=0)
    weights = weights.fillna(1.0)
    total = weights.groupby(numbers).sum()
    weighted = values.mul(weights, axis=0) if exact.any() else values
    mean = weighted.groupby(numbers).sum(min_count=1).div(total, axis=0).where(~partly, np.inf)
    error = values.groupby(numbers).std().div(np.sqrt(count), axis=0)
    error[exact] = error[exact] * 0.0
    index = examples["index"].groupby(numbers)
    whole = (index.min() == 0) & (index.max() == count - 1) & (index.nunique() == count)
    found = mean.join(error.add_suffix("_se")).assign(
        count=count,
        indices=whole.astype(float),
        least_distortion=values["distortion"].groupby(numbers).min(),
        probability=total.where(exact),
    )
    return found.set_index(pd.Index(names[found.index], name="run_id"))
