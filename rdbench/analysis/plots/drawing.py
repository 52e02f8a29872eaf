"""What a figure is drawn from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rdbench.analysis.frame import frontiers
from rdbench.config.family import dataset_kind
from rdbench.errors import plain
from rdbench.store.store import Store

MOST_LETTERS = 60


class NothingToDrawError(Exception):
    """A store lacks what a figure needs; says in one line what, and how to get it."""


@dataclass(frozen=True)
class Drawing:
    """The chosen runs of one dataset that ended well, the store they are from, and whether to show printed points."""

    store: Store
    runs: pd.DataFrame
    reference: bool = False

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return str(self.runs["dataset"].iloc[0])

    @property
    def exact(self) -> bool:
        """Whether the numbers are exact sums, as the toy's are."""
        return dataset_kind(self.dataset) == "table"

    @property
    def name(self) -> str:
        """The name of the dataset as text of a figure, or the end of a long one; a dollar there begins a formula."""
        words = plain(self.dataset)
        shown = words if len(words) <= MOST_LETTERS else f"…{words[-MOST_LETTERS:]}"
        return shown.replace("$", r"\$")

    @property
    def title(self) -> str:
        """What was measured, in words."""
        return f"{self.name}, exact" if self.exact else f"{self.name}, test split"

    @property
    def entropy(self) -> float | None:
        """H in nats per image, where it is known."""
        known = self.runs["entropy"].dropna() if "entropy" in self.runs else pd.Series(dtype=float)
        return None if known.empty else float(known.iloc[0])

    @property
    def frontiers(self) -> list[np.ndarray]:
        """Of each set of test images the (n, 2) rates and distortions on its frontier, by rate; the longest first."""
        points = (best[["rate", "distortion"]].to_numpy(float) for best in frontiers(self.runs))
        return sorted(points, key=len, reverse=True)

    @property
    def best_neg_elbo(self) -> float:
        """The −ELBO, in expectation not below H, of the run whose −ELBO is least with 3 standard errors added.

        So no run is the best by luck on few images; where none has an error, all are exact.
        """
        errors = self.runs["elbo_se"]
        errors = errors.fillna(0.0 if errors.isna().all() else np.inf)
        return float(-self.runs["elbo"].to_numpy()[(3 * errors - self.runs["elbo"]).argmin()])
