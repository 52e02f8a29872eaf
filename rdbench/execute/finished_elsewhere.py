"""Find the runs that other processes have finished meanwhile."""

from collections.abc import Collection

from rdbench.store.parquet import COMPACTED, run_of
from rdbench.store.store import Store


class FinishedElsewhere:
    """Watches a store for rows that are newer than this object. Make it before the runs are planned."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.before = store.storage.modified("runs")
        self.known = store.current()
        self.compacted: set[str] = set()

    def finished(self, run_ids: Collection[str]) -> set[str]:
        """Those of ``run_ids`` that have a new row."""
        now = self.store.storage.modified("runs")
        for name in now:
            if COMPACTED in name and name not in self.before:
                rows = self.store.current_in(name)  # old rows too, if another process has compacted the store
                self.compacted |= {run_id for run_id, row in rows.items() if row != self.known.get(run_id)}
                self.before[name] = now[name]
        written = {run_of(name) for name in now if COMPACTED not in name and now[name] != self.before.get(name)}
        return (written | self.compacted) & set(run_ids)
