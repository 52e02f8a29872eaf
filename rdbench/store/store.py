"""A store: a folder of Parquet tables and of checkpoints; a file holds one run, or many once they are compacted.

Every file is written whole under another name and then renamed, and the row in ``runs`` comes last, so a run that has a
row has everything else.
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from rdbench.errors import UserError, plain, reason
from rdbench.store.files import CHECKPOINTS, CLAIMS, PLANS, cannot_write, open_storage
from rdbench.store.parquet import COMPACTED, UNREADABLE, files, load, read_checked
from rdbench.store.schema import (
    ALWAYS,
    KEYS,
    RUN_ID,
    TABLES,
    Column,
    Record,
    Table,
    column_type,
    dated,
    serialized,
    to_parquet,
    with_column,
)
from rdbench.store.status import Status

if TYPE_CHECKING:
    import pandas as pd

WRITING = ("run_id", "status", "created_at")
RUNS_A_FILE = 1000


class EmptyTableError(UserError):
    """A store without a row of a table; ``skipped`` has a line for each file that could not be read."""

    def __init__(self, message: str, skipped: list[str]) -> None:
        super().__init__(message)
        self.skipped = skipped
        self.exit_code = 3 if skipped else 2


class Rows(NamedTuple):
    """Rows of a table, each once, and a line for every file that could not be read as such a table."""

    frame: "pd.DataFrame"
    skipped: list[str]


class Writing(NamedTuple):
    """When a row was written, None in the oldest stores, and the status of its run."""

    created_at: str | None
    status: str


class Store:
    """The store in a folder, or behind a URL such as s3://bucket/folder."""

    def __init__(self, location: str | Path) -> None:
        self.storage = open_storage(location)

    def __str__(self) -> str:
        return str(self.storage)

    @property
    def name(self) -> str:
        """The last part of where it lies."""
        return self.storage.root.rstrip("/").rpartition("/")[2]

    def prepare(self) -> None:
        """Make the folders, and see that files can be written.

        Raises:
            UserError: they cannot.
        """
        try:
            self.storage.prepare(*TABLES, CHECKPOINTS, PLANS, CLAIMS)
        except OSError as error:
            raise cannot_write(self, error, "name another") from None

    def write(self, record: Record) -> None:
        """Keep a record; its row comes last.

        Raises:
            UserError: the store cannot be written.
        """
        row = {name: [value] for name, value in record.row.items()}
        columns: dict[Table, Mapping[str, Column]]
        columns = {"examples": record.examples, "history": record.history, "runs": row}
        try:
            self.storage.write(self.checkpoint(record.run_id), save_safetensors(dict(record.weights)))
            for table, values in columns.items():
                content = to_parquet(table, dated(values, record.row))
                self.storage.write(f"{table}/{record.run_id}.parquet", content)
        except OSError as error:
            raise cannot_write(self, error) from None

    def read(self, table: Table, run_ids: Collection[str] | None = None, columns: Sequence[str] | None = None) -> Rows:
        """The rows of a table, whatever files hold them, of the newest writing of each run.

        Only of the runs in ``run_ids`` and only ``columns``, where these are given; whole rows of ``runs`` are checked.

        Raises:
            EmptyTableError: the store is not there, or holds no row of that table.
        """
        tables, skipped = load(self.storage, table, run_ids, columns)
        if not any(len(found) for found in tables):
            raise self.empty(table, skipped)
        frame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        absent = [name for name in ALWAYS.get(table, ()) if columns is None and name not in frame]
        frame = frame.assign(**dict.fromkeys(absent, math.nan))
        if table == "runs" and columns is None:
            from rdbench.store.row_checks import check_rows  # here, for it needs pandas

            frame, refused = check_rows(frame)
            skipped += map(plain, refused)
            if frame.empty:
                raise self.empty(table, skipped)
        if frame.duplicated(list(KEYS[table])).any():
            frame = frame[_newest(table, frame)].reset_index(drop=True)
        return Rows(frame, skipped)

    def empty(self, table: Table, skipped: list[str]) -> EmptyTableError:
        """The error for a table without a row; ``skipped`` has a line for each file that could not be read."""
        if skipped:
            return EmptyTableError(f"no {table} can be read: {'; '.join(skipped)}; delete and sweep again", skipped)
        if not self.storage.is_there():
            return EmptyTableError(f"there is no store {self}; make one with: rdbench sweep NAME --store {self}", [])
        return EmptyTableError(f"{self} holds no {table}; fill it with: rdbench sweep NAME --store {self}", [])

    def finished(self) -> set[str]:
        """The ids of the runs that have a row, less those that failed: these are worth another try."""
        return finished(self.newest())

    def newest(self) -> dict[str, Writing]:
        """When each run that has a row was last written, and its status then."""
        return _newest_writings(load(self.storage, "runs", None, WRITING)[0])

    def newest_in(self, name: str) -> dict[str, Writing]:
        """The same of the runs in one file of ``runs``, none if it is no such file."""
        try:
            return _newest_writings([read_checked(self.storage, name, "runs", None, WRITING)])
        except UNREADABLE:
            return {}

    def compact(self) -> None:
        """Merge files of one run into files of many, so that ten thousand runs are read in a second.

        A merged file is there whole before what it holds is deleted, and a row that is met twice counts once, so a
        reader sees every run at every moment, and so it is after a crash.
        """
        try:
            for table in TABLES:
                single = [name for name in files(self.storage, table) if COMPACTED not in name]
                for start in range(0, len(single), RUNS_A_FILE):
                    self._merge(table, single[start : start + RUNS_A_FILE])
        except OSError as error:
            raise cannot_write(self, error) from None

    def _merge(self, table: Table, names: Sequence[str]) -> None:
        tables, merged = [], []
        before = {name: self.storage.stamp(name) for name in names}
        for name in names:
            try:
                tables.append(read_checked(self.storage, name, table, None, None))
            except UNREADABLE:
                continue  # left where it is, for a reader to name
            merged.append(name)
        if len(merged) < 2:
            return
        self.write_compacted(table, pa.concat_tables(tables, promote_options="permissive"))
        for name in merged:
            if self.storage.stamp(name) == before.get(name):  # else another process wrote it anew since it was read
                self.storage.delete(name)

    def write_compacted(self, table: Table, rows: pa.Table) -> None:
        """Keep rows of many runs in one file, named by what it holds."""
        content = serialized(rows)
        name = hashlib.sha256(content).hexdigest()[:16]
        self.storage.write(f"{table}/{COMPACTED}{name}.parquet", content)

    def arrow(self, table: Table, run_ids: Collection[str] | None = None) -> pa.Table | None:
        """The newest rows of all runs, or of some, as they lie in the files; None if there are none.

        Raises:
            UserError: a file cannot be read.
        """
        tables, skipped = load(self.storage, table, run_ids, None)
        if skipped:
            raise UserError(f"{skipped[0]}; delete it or mend it first")
        whole = pa.concat_tables(tables, promote_options="permissive") if tables else None
        if whole is None or not len(whole):
            return None
        keys = whole.select([name for name in (*KEYS[table], "created_at") if name in whole.column_names]).to_pandas()
        return whole.filter(pa.array(_newest(table, keys)))

    def extend(self, run_id: str, columns: Mapping[str, Any], per_image: Mapping[str, Column]) -> None:
        """Add columns to the row of a run, and to the rows of its test images.

        Raises:
            UserError: the store cannot be read or written.
        """
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        added: dict[Table, Mapping[str, Column]]
        added = {"examples": per_image, "runs": {name: [value] for name, value in columns.items()}}
        for table, values in added.items():
            rows = self.arrow(table, [run_id])
            if rows is None:
                continue
            for name, value in {**values, "created_at": [now] * len(rows)}.items():
                kind = column_type(table, name)
                rows = with_column(rows, name, pa.array(value, kind))
            try:
                self.storage.write(f"{table}/{run_id}.parquet", serialized(rows))
            except OSError as error:
                raise cannot_write(self, error) from None

    def remove(self, run_ids: Collection[str]) -> None:
        """Delete runs and all that belongs to them, their rows in ``runs`` first.

        Raises:
            UserError: the store cannot be written.
        """
        gone = list(run_ids)
        try:
            for table in TABLES:
                for name in files(self.storage, table, gone):
                    if COMPACTED in name:
                        try:
                            rows = read_checked(self.storage, name, table, None, None)
                        except UNREADABLE:
                            continue  # left where it is, for a reader to name
                        kept = rows.filter(pc.invert(pc.is_in(rows["run_id"], pa.array(gone))))
                        if len(kept) == len(rows):
                            continue
                        if len(kept):
                            self.write_compacted(table, kept)
                    self.storage.delete(name)
            for run_id in gone:
                for name in self.storage.names(CHECKPOINTS):
                    if name.startswith(f"{CHECKPOINTS}/{run_id}."):
                        self.storage.delete(name)
        except OSError as error:
            raise cannot_write(self, error) from None

    def checkpoint(self, run_id: str) -> str:
        """The name under which the weights of a run lie.

        Raises:
            UserError: no run has such an id.
        """
        if not RUN_ID.fullmatch(run_id):
            raise UserError(f"{run_id!r} is no run_id")
        return f"{CHECKPOINTS}/{run_id}.safetensors"

    def load_weights(self, run_id: str) -> dict[str, NDArray[Any]]:
        """The trained weights of a run, by name.

        Raises:
            UserError: they are absent, or not in a file of such.
        """
        name = self.checkpoint(run_id)
        try:
            return load_safetensors(self.storage.read(name))
        except FileNotFoundError:
            raise UserError(f"there is no checkpoint {self}/{name}; do the run again") from None
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UserError(f"cannot read the checkpoint {self}/{name}: {reason(error)}; do the run again") from None


def finished(newest: Mapping[str, Writing]) -> set[str]:
    """The ids of the runs that did not fail."""
    return {run_id for run_id, (_, status) in newest.items() if status != Status.FAILED}


def _newest_writings(tables: Sequence[pa.Table]) -> dict[str, Writing]:
    rows: list[tuple[str | None, str, str]] = []
    for found in tables:
        dates = found["created_at"] if "created_at" in found.column_names else pa.nulls(len(found))
        rows += zip(dates.to_pylist(), found["run_id"].to_pylist(), found["status"].to_pylist(), strict=True)
    rows.sort(key=lambda row: (row[0] is not None, row[0]))  # the newest last, which counts
    return {run_id: Writing(date, status) for date, run_id, status in rows}


def _newest(table: Table, rows: "pd.DataFrame") -> NDArray[np.bool_]:
    """Which rows count: of a run that was done again those of its newest writing, and each of them once."""
    counts = np.ones(len(rows), bool)
    if "created_at" in rows:
        last = rows.groupby("run_id")["created_at"].transform("max")
        counts = ((rows["created_at"] == last) | last.isna()).to_numpy(copy=True)
    counts[counts] = ~rows[counts].duplicated(list(KEYS[table]), keep="last").to_numpy()
    return counts
