"""Points that are not runs: those that the paper prints, and those of a user's CSV file."""

from pathlib import Path

import numpy as np
import pandas as pd

from rdbench.analysis.paper import printed_points
from rdbench.config.family import parse_family
from rdbench.errors import UserError

COLUMNS = ("rate", "distortion", "label", "family", "dataset")
PRINTED = "printed by Alemi et al."


def no_points() -> pd.DataFrame:
    """An empty table of other points."""
    return pd.DataFrame({name: pd.Series(dtype=float if name in COLUMNS[:2] else object) for name in COLUMNS})


def paper_points() -> pd.DataFrame:
    """The points that the paper prints, as other points."""
    return printed_points().assign(label=PRINTED)[list(COLUMNS)].dropna(subset=["rate", "distortion"])


def read_points(path: Path) -> pd.DataFrame:
    """The points of a CSV file with the columns rate and distortion (nats), and label, family or dataset if wanted.

    Raises:
        UserError: the file cannot be read, or lacks these columns.
    """
    try:
        found = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS[2:], str), encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"--points {path}: cannot be read as CSV: {why}") from None
    absent = [name for name in COLUMNS[:2] if name not in found]
    if absent:
        raise UserError(
            f"--points {path}: found the columns {', '.join(map(str, found))}; expected rate and distortion, "
            "and if wanted label, family and dataset"
        )
    for name in COLUMNS[:2]:
        numbers = pd.to_numeric(found[name], errors="coerce")
        bad = ~np.isfinite(numbers)
        if bad.any():
            line = int(bad.to_numpy().argmax()) + 2
            raise UserError(f"--points {path}, line {line}: found {name} {found[name].iloc[line - 2]}; expected nats")
        found[name] = numbers
    points = pd.concat([no_points(), found[[name for name in COLUMNS if name in found]]], ignore_index=True)
    named = points["family"].dropna()
    points["family"] = named.map(lambda text: parse_family(text).words).reindex(points.index)
    points["label"] = points["label"].fillna(path.stem)
    return points
