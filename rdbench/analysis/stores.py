"""Read several stores as one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rdbench.store.columns import Table
from rdbench.store.store import EmptyTableError, Rows, Store


@dataclass(frozen=True)
class Stores:
    """Several stores as one: a run that several hold is read from the first that has it."""

    stores: Sequence[Store]

    def __str__(self) -> str:
        return ", ".join(map(str, self.stores))

    @property
    def name(self) -> str:
        """Their names, joined."""
        return "-".join(store.name for store in self.stores)

    @cached_property
    def holder(self) -> dict[str, Store]:
        """The store that each run is read from.

        Raises:
            EmptyTableError: a store has no runs.
        """
        ids = [(store, store.read("runs", columns=["run_id"]).frame["run_id"]) for store in reversed(self.stores)]
        return {run_id: store for store, mine in ids for run_id in mine}

    def read(self, table: Table, run_ids: Collection[str] | None = None) -> Rows:
        """The rows of a table in all stores, each run's from its holder, and a message for each unreadable file.

        Raises:
            EmptyTableError: a store has no runs, or none has a row of another table.
        """
        frames, skipped = [], []
        for store in self.stores:
            mine = {run_id for run_id, holder in self.holder.items() if holder is store}
            try:
                rows = store.read(table, run_ids)
            except EmptyTableError as error:
                if table == "runs":
                    raise
                skipped += error.skipped
                continue
            frames.append(rows.frame[rows.frame["run_id"].isin(mine)])
            skipped += rows.skipped
        if not frames:
            raise self.stores[0].empty(table, skipped)
        return Rows(pd.concat(frames, ignore_index=True), skipped)


Source = Store | Stores


def each(source: Source) -> Sequence[Store]:
    """The stores that a source is made of."""
    return source.stores if isinstance(source, Stores) else [source]


def holder(source: Source, run_id: str) -> Store:
    """The store that a run is read from."""
    return source.holder[run_id] if isinstance(source, Stores) else source
