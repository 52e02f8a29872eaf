"""The data of a figure."""

from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rdbench.analysis.frame import frontiers
from rdbench.analysis.plots.others import no_points
from rdbench.analysis.plots.style import WIDTH
from rdbench.analysis.stores import Source, each
from rdbench.config.aims import aim
from rdbench.config.family import dataset_kind
from rdbench.errors import plain

MOST_LETTERS = 60


class NothingToDrawError(Exception):
    """A store lacks data for a figure; the message says what, and how to get it."""


@dataclass(frozen=True)
class Drawing:
    """The chosen runs of one dataset with status ``ok``, and their stores.

    ``others`` are points that are not runs, ``width`` is in inches, and with ``single`` each run is an artist of its
    own, which has the run's id. Images are read from ``data_dir``, or from the user's cache if that is None.
    """

    store: Source
    runs: pd.DataFrame
    others: pd.DataFrame = field(default_factory=no_points)
    width: float = WIDTH
    single: bool = False
    data_dir: Path | None = None

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return str(self.runs["dataset"].iloc[0])

    @property
    def labels(self) -> str | None:
        """The label set that the runs explain; None if they explain images."""
        found = self.runs["labels"].iloc[0]
        return None if pd.isna(found) else str(found)

    @property
    def exact(self) -> bool:
        """Whether the numbers are exact sums, as for the toy."""
        return dataset_kind(self.dataset) == "table"

    @property
    def name(self) -> str:
        """The dataset's name with dollars escaped for Matplotlib, or the end of a long name."""
        words = plain(self.dataset)
        shown = words if len(words) <= MOST_LETTERS else f"…{words[-MOST_LETTERS:]}"
        return shown.replace("$", r"\$")

    @property
    def title(self) -> str:
        """The dataset and split, and the β or target if all runs share it."""
        what = self.name if self.labels is None else f"{self.name}, {plain(self.labels)} labels"
        measured = f"{what}, exact" if self.exact else f"{what}, test split"
        aims = {aim(run) for run in self.runs.to_dict("records")}
        return f"{measured}, {aims.pop()}" if len(aims) == 1 else measured

    @property
    def unit(self) -> str:
        """The unit of rates and distortions."""
        return f"nats per {'value' if self.exact else 'image'}"

    def command(self, name: str, options: str) -> str:
        """A command on the first store, quoted for a shell."""
        return f"rdbench {name} {quote(str(each(self.store)[0]))} {options}"

    def figure(self, height: float) -> Figure:
        """An empty figure of the width asked for."""
        return Figure(figsize=(self.width, height))

    @property
    def entropy(self) -> float | None:
        """H of the images, or H(Y) of the labels that the runs explain, in nats; None if it is unknown."""
        known = self.runs["entropy"].dropna() if "entropy" in self.runs else pd.Series(dtype=float)
        return None if known.empty else float(known.iloc[0])

    @property
    def frontiers(self) -> list[np.ndarray]:
        """The (n, 2) rates and distortions on the frontier of each set of test images, the longest frontier first."""
        points = (best[["rate", "distortion"]].to_numpy(float) for best in frontiers(self.runs))
        return sorted(points, key=len, reverse=True)

    @property
    def best_neg_elbo(self) -> float:
        """The −ELBO of the run with the lowest −ELBO + 3 standard errors; in expectation it is at least H.

        The added errors keep a run on few images from being the best by luck.
        """
        errors = self.runs["elbo_se"]
        errors = errors.fillna(0.0 if errors.isna().all() else np.inf)
        return float(-self.runs["elbo"].to_numpy()[(3 * errors - self.runs["elbo"]).argmin()])
