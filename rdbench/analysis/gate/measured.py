"""The runs of a store by column, as the claims read them."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from rdbench.analysis.frame import iwae_columns, numbered
from rdbench.analysis.gate.judging import Judgement
from rdbench.config.family import dataset_kind
from rdbench.store.row_checks import read_config

Numbers = pd.Series | float

ROUNDING = 1e-5
"""Nats that sums over hundreds of pixels may lose."""

SINGLE = 1e-6
"""The part of a number that float32 may lose in a sum: some eight times its last digit."""


class Measured:
    """Runs by column; an absent column is one of NaN.

    The means of the per-image table are the columns ``examples.<name>``. ``read`` gathers the names of the columns
    that were read.
    """

    def __init__(self, runs: pd.DataFrame, examples: pd.DataFrame) -> None:
        self.frame = runs.join(examples.add_prefix("examples."), on="run_id")
        self.read: set[str] = set()
        self.bounds = sorted({*iwae_columns(runs), *iwae_columns(examples)})
        self.predictive = numbered(runs, "predictive")
        self.temperatures = numbered(runs, "ais")
        self.descriptions = [read_config(config) for config in runs["config"]]
        self.sampled = self.series([dataset_kind(run.dataset) == "images" for run in self.descriptions]).astype(bool)
        self.explains_labels = self.series([run.labels is not None for run in self.descriptions]).astype(bool)
        self._asked = [set() if run.labels else set(run.iwae) for run in self.descriptions]

    def __getitem__(self, name: str) -> pd.Series:
        """A column of numbers."""
        return pd.to_numeric(self.raw(name), errors="coerce").astype(float)

    def raw(self, name: str) -> pd.Series:
        """A column as it is."""
        self.read.add(name)
        return self.frame.get(name, pd.Series(np.nan, self.frame.index))

    def known(self, name: str) -> pd.Series:
        """Whether a column has a value; of numbers, a finite one."""
        found = self.raw(name)
        if is_float_dtype(found.dtype):
            return pd.Series(np.isfinite(found.to_numpy(float, na_value=np.nan)), found.index)
        return found.map(_known).astype(bool)

    def series(self, values: Sequence[object]) -> pd.Series:
        """A value per run as a column."""
        return pd.Series(values, self.frame.index)

    def asked(self, k: int) -> pd.Series:
        """Whether a run was asked for IWAE-k."""
        self.read.add("config")
        return self.series([k in asked for asked in self._asked]).astype(bool)

    def at_largest(self, name: str) -> pd.Series:
        """The column of the largest k that a run was asked for; ``name`` has a {} for it."""
        self.read.add("config")
        found = pd.Series(np.nan, self.frame.index)
        for k in self.bounds:
            largest = self.series([k == max(asked, default=0) for asked in self._asked])
            found = found.where(~largest, self[name.format(k)])
        return found

    def same_draws(self, k: int, larger: int) -> pd.Series:
        """Whether a run has IWAE of both k as means over the same draws, so that they are ordered image by image."""
        self.read.add("config")
        return self.series(
            [{k, larger} <= asked and larger % k == 0 == max(asked) % larger for asked in self._asked]
        ).astype(bool)

    def at_least(
        self, what: str, value: pd.Series, bound: Numbers, error: Numbers = 0.0, scale: Numbers = 0.0,
        over: pd.Series | None = None,
    ) -> Judgement:  # fmt: skip
        """``value`` ≥ ``bound``, but for the error and for what float32 loses of numbers as large as ``scale``.

        The error is ``over`` so many examples, by default the images of the test split.
        """
        examples = self["test_images"] if over is None else over
        slack = value - bound + ROUNDING + SINGLE * scale
        return Judgement(what, slack, pd.Series(error, self.frame.index, dtype=float), examples)

    def same(
        self, what: str, value: pd.Series, other: Numbers, error: Numbers = 0.0, scale: Numbers = 0.0,
        over: pd.Series | None = None,
    ) -> Judgement:  # fmt: skip
        """``value`` = ``other``, but for the same."""
        return self.at_least(what, -(value - other).abs(), 0.0, error, scale, over)

    def true(self, what: str, holds: pd.Series, where: pd.Series | None = None) -> Judgement:
        """``holds`` of the runs where it should."""
        slack = holds.astype(float) - 1
        nothing = pd.Series(0.0, self.frame.index)
        return Judgement(what, slack if where is None else slack.where(where), nothing, nothing)

    def together(self, *names: str, where: pd.Series | bool = True) -> Judgement:
        """Where one of these columns is known all are; else a number is missing."""
        known = pd.DataFrame({name: self.known(name) for name in names})
        nothing = pd.Series(0.0, self.frame.index)
        return Judgement(
            f"{' and '.join(names)} together",
            nothing.where(known.any(axis=1) & where),
            nothing.where(known.all(axis=1)),
            nothing,
        )

    def with_error(self) -> list[str]:
        """The columns that have a standard error beside them."""
        return sorted(str(name).removesuffix("_se") for name in self.frame if re.fullmatch(r"[a-z]\w*_se", str(name)))


def _known(value: object) -> bool:
    if isinstance(value, float | np.floating):
        return bool(np.isfinite(value))
    return value is not None and value is not pd.NA
