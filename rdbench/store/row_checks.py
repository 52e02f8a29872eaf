"""Checks of the rows of ``runs``: a store may be a stranger's, and its rows are printed, drawn and made into models."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rdbench import __version__
from rdbench.config.parts import all_settings
from rdbench.config.run_config import DESCRIPTION, RunConfig, make_run
from rdbench.errors import UserError
from rdbench.store.current import WRITING
from rdbench.store.schema import known
from rdbench.store.status import OF_ROWS

SHA256 = re.compile(r"[0-9a-f]{64}")
LARGEST = 1e100
"""The largest number that a row may have; sums and figures of larger ones overflow."""

LEAST = {"test_images": 1, "entropy": 0, "image_side": 8, "classes": 2}
TOLD = ("run_id", "rdbench_version", "status", "config", "dataset_sha256", "rate_by_dimension", *LEAST, *DESCRIPTION)

_READ: dict[str, RunConfig] = {}
"""The runs of checked rows, by the text that their column ``config`` has now, so that none is parsed twice."""

MANY_READ = 20_000
"""With so many runs ``_READ`` is emptied before more come in: a long-lived process may read many stores."""


def check_rows(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The valid rows, with every setting of their runs filled in, and a message for each invalid row."""
    numbers = runs.select_dtypes("number")
    too_large = (numbers.abs().gt(LARGEST) & np.isfinite(numbers)).any(axis=1)
    negative = numbers.filter(regex="_se$").lt(0).any(axis=1)
    configs, lines = {}, []
    rows = records(runs, (*TOLD, *all_settings()))
    for index, row, is_large, is_negative in zip(runs.index, rows, too_large, negative, strict=True):
        try:
            if is_large:
                raise UserError(f"a number is beyond {LARGEST:g}")
            if is_negative:
                raise UserError("a standard error is below 0")
            configs[index] = _check(row)
        except UserError as error:
            lines.append(f"run {row['run_id']}: not the row of a run ({error}){_made_by(row)}")
    kept = runs.loc[list(configs)]
    texts = [json.dumps(vars(config) | config.settings) for config in configs.values()]
    if len(_READ) > MANY_READ:
        _READ.clear()
    _READ.update(zip(texts, configs.values(), strict=True))
    kept = kept.assign(config=texts)
    for name in DESCRIPTION:
        if kept[name].isna().any():
            values = pd.Series([_settings(config)[name] for config in configs.values()], kept.index)
            kept = kept.assign(**{name: values}) if values.notna().any() else kept
    return kept, lines


def records(runs: pd.DataFrame, names: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a frame with the columns ``names`` that it has; much faster than ``DataFrame.to_dict``."""
    here = [name for name in dict.fromkeys(names) if name in runs]
    return [dict(zip(here, row, strict=True)) for row in zip(*(runs[name].tolist() for name in here), strict=True)]


def _made_by(row: Mapping[Any, Any]) -> str:
    """Words that name another version of rdbench that made a row, for which the row may be valid."""
    version = row.get("rdbench_version")
    known = isinstance(version, str) and version != __version__
    return f"; it was made by rdbench {version}, and this is {__version__}" if known else ""


def repeated(tables: Sequence[pa.Table], runs: pd.DataFrame) -> list[str]:
    """A message for each run with a row twice in one file, or in two files with different numbers.

    ``runs`` are the rows of all files. Two files may hold the same row: compaction writes one, then deletes the other.
    """
    names = [name for name in WRITING if name in runs]
    twice: set[str] = set()
    for table in tables:
        if len(table) > 1:
            rows = table.select([name for name in names if name in table.column_names]).to_pandas()
            twice |= set(rows.loc[rows.duplicated(), "run_id"])
    same = runs[runs.duplicated(names, keep=False)].astype(str).drop_duplicates()
    twice |= set(same.loc[same.duplicated(names), "run_id"])
    return [f"run {run_id} is there twice; remove it, and do it again" for run_id in sorted(twice)]


def read_config(text: Any) -> RunConfig:
    """The run that a row's column ``config`` describes.

    Raises:
        UserError: it describes no run.
    """
    return _READ.get(text) or _parsed(text)


def _parsed(text: Any) -> RunConfig:
    """As ``read_config``."""
    try:
        values = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise UserError("its config is not JSON") from None
    return make_run(values, reading=True)


def _settings(config: RunConfig) -> dict[str, Any]:
    return vars(config) | config.settings | {"family": config.family.words}


def _check(row: Mapping[Any, Any]) -> RunConfig:
    """The run that a row describes.

    Raises:
        UserError: it describes no run, or its columns contradict its ``config``.
    """
    config = _parsed(row["config"])
    settings = _settings(config)
    for name in (*DESCRIPTION, *config.settings):
        told = row.get(name)
        if told != settings[name] and known(told):
            raise UserError(f"{name} is {told} in its column and {settings[name]} in its config")
    if row["status"] not in OF_ROWS:
        raise UserError(f"status: found {row['status']!r}; expected one of {', '.join(OF_ROWS)}")
    if not SHA256.fullmatch(str(row["dataset_sha256"])):
        raise UserError(f"dataset_sha256: found {row['dataset_sha256']!r}; expected 64 hexadecimal digits")
    for name, least in LEAST.items():
        found: Any = row.get(name)
        if known(found) and not least <= found < np.inf:
            raise UserError(f"{name}: found {found:g}; expected at least {least}")
    rates = row.get("rate_by_dimension")
    if isinstance(rates, np.ndarray) and len(rates) != config.latent_dim:
        raise UserError(f"rate_by_dimension: found {len(rates)} rates; expected {config.latent_dim}")
    return config
