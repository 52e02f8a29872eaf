"""Measure finished runs again, from their checkpoints."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rdbench.data.images import Images
from rdbench.errors import UserError, unknown
from rdbench.measures.bounds import measure
from rdbench.measures.codes import code_counts
from rdbench.runs.evaluation import information
from rdbench.runs.provenance import command
from rdbench.runs.splits import Splits
from rdbench.runs.trained import load_data, load_model
from rdbench.store.changes import extend
from rdbench.store.row_checks import read_config
from rdbench.store.schema import MEASURES, Column, known
from rdbench.store.store import Store

SPLITS = ("test", "valid", "train")


def reevaluate(
    store: Store,
    row: Mapping[str, Any],
    iwae: Sequence[int],
    split: str,
    device: torch.device,
    data_dir: Path | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """Measure a run on a split with other k; add the new columns to its row, and to those of its test images.

    Columns of the validation and training splits begin with ``valid_`` and ``train_``. Numbers that the row has already
    stay. The exception is R, D and the ELBO of those two splits: all three are replaced if one of them or its error is
    missing, or if they do not add up.

    Raises:
        UserError: the run was trained on other data, or has no weights.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    run = read_config(row["config"])
    if run.exact:
        raise UserError(f"run {row['run_id']} is a toy run, whose numbers are exact; there is nothing to measure again")
    if run.labels is not None:
        raise UserError(f"run {row['run_id']} explains labels; IWAE-k is defined for images only")
    if not run.iwae:
        raise UserError(f"run {row['run_id']} has a deterministic encoder, of which IWAE-k is the ELBO whatever k")
    dataset = load_data(row, run, data_dir)
    model = load_model(store, row).to(device)
    splits = Splits.of(dataset, run, device)
    images: Images = {"test": splits.test, "valid": splits.valid, "train": splits.train_again}[split]
    torch.manual_seed(run.seed)
    measured = measure(model, images, iwae, run.rate_samples, progress)
    prefix = "" if split == "test" else f"{split}_"
    columns = {f"{prefix}{name}": value for name, value in measured.summary().items()}
    whole = split == "test" or _is_whole(row, prefix)
    if split == "train" and not whole and known(row.get("train_mutual_information")):  # R is a part of it
        counts = code_counts(model, images)
        columns |= {f"train_{name}": value for name, value in information(model, images, measured.rate, counts).items()}
    new = {name: value for name, value in columns.items() if not (whole and known(row.get(name)))}
    per_image: dict[str, Column] = {}
    if split == "test":
        bounds = {f"iwae_{k}": bound.astype(np.float32) for k, bound in measured.iwae.items()}
        per_image = {name: bound for name, bound in bounds.items() if name in new}
    extend(store, row["run_id"], {**new, "evaluated_with": command()}, per_image, row)
    return new


def _is_whole(row: Mapping[str, Any], prefix: str) -> bool:
    """Whether a row has R, D and the ELBO of a split with their errors, and R + D = −ELBO."""
    if not all(known(row.get(f"{prefix}{name}{error}")) for name in MEASURES for error in ("", "_se")):
        return False
    return math.isclose(-row[f"{prefix}elbo"], row[f"{prefix}rate"] + row[f"{prefix}distortion"], rel_tol=1e-9)


def is_measured(row: Mapping[str, Any], iwae: Sequence[int], split: str) -> bool:
    """Whether a row has these measures of the split already, and R, D and ELBO of the split that belong together."""
    prefix = "" if split == "test" else f"{split}_"
    return (split == "test" or _is_whole(row, prefix)) and all(known(row.get(f"{prefix}iwae_{k}")) for k in iwae)
