"""The Python interface to a store: its tables as frames, its models as distributions."""

from collections.abc import Collection
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import pandas as pd

from rdbench.errors import UserError
from rdbench.store.store import Store

if TYPE_CHECKING:
    from rdbench.runs.trained import TrainedModel


class Results:
    """The results in a store; every method reads the files again."""

    def __init__(self, location: str | Path) -> None:
        self.store = Store(location)
        if not self.store.storage.is_there():
            raise UserError(
                f"there is no store {self.store}; make one with: rdbench sweep demo --store {quote(str(location))}"
            )

    def __repr__(self) -> str:
        return f"Results({str(self.store)!r})"

    def runs(self) -> pd.DataFrame:
        """The current row of each run, with every column; warns of each unreadable file."""
        return self.store.read("runs").frame

    def history(self, run_ids: Collection[str] | None = None) -> pd.DataFrame:
        """One row for each epoch, of all runs or of ``run_ids``."""
        return self.store.read("history", run_ids).frame

    def examples(self, run_ids: Collection[str] | None = None) -> pd.DataFrame:
        """One row for each test image, of all runs or of ``run_ids``."""
        return self.store.read("examples", run_ids).frame

    def model(self, run_id: str) -> "TrainedModel":
        """The trained model of a run, by its id or the beginning of its id.

        Raises:
            UserError: there is no such run, the store lacks its weights, or a plug-in's part is not installed.
        """
        from rdbench.runs.trained import TrainedModel, image_side_of, load_model  # here, because it loads torch

        runs = self.runs()
        found = runs[runs["run_id"].str.startswith(run_id)]
        if len(found) != 1:
            raise UserError(f"{run_id!r} begins the ids of {len(found)} runs in {self.store}; expected one")
        row = found.iloc[0].to_dict()
        return TrainedModel(load_model(self.store, row), image_side_of(row))
