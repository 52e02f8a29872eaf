"""The runs of a store by column, for the claims."""

import functools
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from rdbench.analysis.frame import iwae_columns, numbered
from rdbench.analysis.gate.judging import Judgement
from rdbench.config.family import dataset_kind
from rdbench.store.row_checks import read_config

Numbers = pd.Series | float

ROUNDING = 1e-5
"""The rounding error, in nats, of sums over hundreds of pixels."""

SINGLE = 1e-6
"""The relative rounding error of sums in float32: some eight times its last digit."""


class Measured:
    """Runs by column; a missing column reads as NaN.

    The columns ``examples.<name>`` are means of the per-image table. ``read`` collects the names of the columns that
    were read.
    """

    def __init__(self, runs: pd.DataFrame, examples: pd.DataFrame) -> None:
        self.frame = runs.join(examples.add_prefix("examples."), on="run_id")
        self.read: set[str] = set()
        self.bounds = sorted({*iwae_columns(runs), *iwae_columns(examples)})
        self.predictive = numbered(runs, "predictive")
        self.temperatures = numbered(runs, "ais")
        self.softened = numbered(runs, "softened_iwae")
        self.descriptions = [read_config(config) for config in runs["config"]]
        self.sampled = self.series([dataset_kind(run.dataset) == "images" for run in self.descriptions]).astype(bool)
        self.explains_labels = self.series([run.labels is not None for run in self.descriptions]).astype(bool)
        asked = [() if run.labels else run.iwae for run in self.descriptions]
        self._asked, self._distinct = pd.factorize(pd.Series(asked))

    def __getitem__(self, name: str) -> pd.Series:
        """A column of numbers."""
        return pd.to_numeric(self.raw(name), errors="coerce").astype(float)

    def raw(self, name: str) -> pd.Series:
        """A column in its own type."""
        self.read.add(name)
        return self.frame.get(name, pd.Series(np.nan, self.frame.index))

    def known(self, name: str) -> pd.Series:
        """Whether a column has a value, which must be finite if it is a number."""
        found = self.raw(name)
        if is_float_dtype(found.dtype):
            return pd.Series(np.isfinite(found.to_numpy(float, na_value=np.nan)), found.index)
        return found.map(_known).astype(bool)

    def series(self, values: Sequence[object] | np.ndarray) -> pd.Series:
        """One value for each run, as a column."""
        return pd.Series(values, self.frame.index)

    def asked(self, k: int) -> pd.Series:
        """Whether a run was asked for IWAE-k."""
        self.read.add("config")
        return self._of_asked(lambda asked: k in asked)

    def _of_asked(self, holds: Callable[[tuple[int, ...]], bool]) -> pd.Series:
        """Whether something holds of the k that each run was asked for, which few of them differ in."""
        return self.series(np.array([holds(asked) for asked in self._distinct], bool)[self._asked])

    def at_largest(self, name: str) -> pd.Series:
        """The column of the largest k that a run was asked for; ``name`` has {} in place of k."""
        self.read.add("config")
        found = pd.Series(np.nan, self.frame.index)
        for k in self.bounds:
            largest = self._of_asked(functools.partial(_is_largest, k))
            found = found.where(~largest, self[name.format(k)])
        return found

    def same_draws(self, k: int, larger: int) -> pd.Series:
        """Whether a run has IWAE-k of both k from the same draws, so that they are ordered image by image."""
        self.read.add("config")
        return self._of_asked(lambda asked: {k, larger} <= {*asked} and larger % k == 0 == max(asked) % larger)

    def at_least(
        self, what: str, value: pd.Series, bound: Numbers, error: Numbers = 0.0, scale: Numbers = 0.0,
        over: pd.Series | None = None,
    ) -> Judgement:  # fmt: skip
        """Judge ``value`` ≥ ``bound``, within the error and the float32 rounding of numbers as large as ``scale``.

        ``over`` is the number of examples behind the error, by default the images of the test split.
        """
        examples = self["test_images"] if over is None else over
        slack = value - bound + ROUNDING + SINGLE * scale
        return Judgement(what, slack, pd.Series(error, self.frame.index, dtype=float), examples)

    def same(
        self, what: str, value: pd.Series, other: Numbers, error: Numbers = 0.0, scale: Numbers = 0.0,
        over: pd.Series | None = None,
    ) -> Judgement:  # fmt: skip
        """Judge ``value`` = ``other``, as ``at_least`` does."""
        return self.at_least(what, -(value - other).abs(), 0.0, error, scale, over)

    def true(self, what: str, holds: pd.Series, where: pd.Series | None = None) -> Judgement:
        """Judge that ``holds`` is true, for the runs ``where`` it should be."""
        slack = holds.astype(float) - 1
        nothing = pd.Series(0.0, self.frame.index)
        return Judgement(what, slack if where is None else slack.where(where), nothing, nothing)

    def together(self, *names: str, where: pd.Series | bool = True) -> Judgement:
        """Judge that where one of these columns is known, all are; else a number is missing."""
        known = pd.DataFrame({name: self.known(name) for name in names})
        nothing = pd.Series(0.0, self.frame.index)
        return Judgement(
            f"{' and '.join(names)} together",
            nothing.where(known.any(axis=1) & where),
            nothing.where(known.all(axis=1)),
            nothing,
        )

    def with_error(self) -> list[str]:
        """The columns that have a standard error."""
        return sorted(str(name).removesuffix("_se") for name in self.frame if re.fullmatch(r"[a-z]\w*_se", str(name)))


def _is_largest(k: int, asked: tuple[int, ...]) -> bool:
    return k == max(asked, default=0)


def _known(value: object) -> bool:
    if isinstance(value, float | np.floating):
        return bool(np.isfinite(value))
    return value is not None and value is not pd.NA
