"""A store: a folder of Parquet tables and checkpoints. A table's file holds one run, or many after compaction.

Every file is written under a temporary name and then renamed. The row in ``runs`` is written last, so a run that has a
row has everything else.
"""

import copy
import logging
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from rdbench.errors import ExitCode, UserError, plain, reason
from rdbench.store.changing import changing, until_held
from rdbench.store.columns import OTHERS, TABLES, Table, known_type
from rdbench.store.current import WRITING, Writing, choose_current, counting, current, date_after, deciding, finished
from rdbench.store.files import CHECKPOINTS, CLAIMS, PLANS, cannot_write, why
from rdbench.store.folder import LocalStorage
from rdbench.store.location import open_storage
from rdbench.store.parquet import COMPACTED, UNREADABLE, load, read_checked
from rdbench.store.schema import (
    ALWAYS,
    KEYS,
    RUN_ID,
    VERSION,
    Column,
    Record,
    dated,
    joined,
    serialized,
    to_parquet,
    version,
)

if TYPE_CHECKING:
    import pandas as pd

DATED = ("created_at",)
"""The columns that decide which rows count in tables without a status."""

log = logging.getLogger("rdbench")


class EmptyTableError(UserError):
    """A store has no row of a table; ``skipped`` has a message for each file that could not be read."""

    def __init__(self, message: str, skipped: list[str]) -> None:
        super().__init__(message)
        self.skipped = skipped
        self.exit_code = ExitCode.INCOMPLETE if skipped else ExitCode.USAGE


class Rows(NamedTuple):
    """The rows of a table, each once, and a message for each file that could not be read."""

    frame: "pd.DataFrame"
    skipped: list[str]


class Store:
    """A store in a folder, or behind a URL such as s3://bucket/folder."""

    def __init__(self, location: str | Path) -> None:
        self.storage = open_storage(location)

    def __str__(self) -> str:
        return str(self.storage)

    @property
    def name(self) -> str:
        """The last part of its path or URL."""
        return self.storage.root.rstrip("/").rpartition("/")[2]

    def figures(self) -> Path | None:
        """The folder for its figures; None if the store is behind a URL or cannot be written.

        Raises:
            UserError: it is a link.
        """
        if not isinstance(self.storage, LocalStorage):
            return None
        folder = self.storage.folder / "figures"
        if folder.is_symlink():
            raise UserError(f"{folder} is a link, which may lead anywhere; name the folder that is meant with --out")
        there = folder if folder.exists() else folder.parent
        return folder if os.access(there, os.W_OK | os.X_OK) else None

    def prepare(self) -> None:
        """Make the folders, and check that files can be written.

        Raises:
            UserError: they cannot be written.
        """
        try:
            self.storage.prepare(*TABLES, CHECKPOINTS, PLANS, CLAIMS)
        except OSError as error:
            raise cannot_write(self, error, "name another") from None

    @contextmanager
    def changing(self) -> Iterator["Store"]:
        """Hold the claim on the tables, and yield this store as it is to be changed; raises as ``claims.changing``."""
        with changing(self.storage) as storage:
            held = copy.copy(self)
            held.storage = storage
            yield held

    def write(self, record: Record, replacing: Writing | None = None) -> bool:
        """Write a record, dated later than the rows it replaces; return whether it was written.

        If the run has an answer already, nothing is written, unless that answer is ``replacing``: the one that was
        there when the run was asked to be done again.

        Raises:
            UserError: the store cannot be read or written.
        """
        return until_held(lambda: self._write(record, replacing))

    def _write(self, record: Record, replacing: Writing | None) -> bool:
        with self.changing() as held:
            known = held.current([record.run_id]).get(record.run_id)
            if known is not None and known.is_answer and known != replacing:
                return False
            replaced = None if known is None else known.date if known.is_answer else known.replaces
            held.put(record, date_after(known), replaced)
            return True

    def put(self, record: Record, date: str, replaced: str | None = None) -> None:
        """Write a record dated ``date``, its row last; ``replaced`` is the date of the answer that it replaces.

        Raises:
            UserError: the store cannot be written.
        """
        row = {**record.row, "created_at": date} | ({} if replaced is None else {"replaces": replaced})
        columns: dict[Table, Mapping[str, Column]]
        columns = {"examples": record.examples, "history": record.history}
        columns["runs"] = {name: [value] for name, value in row.items()}
        try:
            self.storage.write(self.checkpoint(record.run_id), save_safetensors(dict(record.weights)))
            for table, values in columns.items():
                self.storage.write_new(f"{table}/{record.run_id}.", to_parquet(table, dated(values, row)))
        except OSError as error:
            raise cannot_write(self, error) from None

    def read(self, table: Table, run_ids: Collection[str] | None = None, columns: Sequence[str] | None = None) -> Rows:
        """The rows of a table that count, from all files.

        ``run_ids`` and ``columns`` restrict what is read. Rows of ``runs`` are checked when all columns are read.

        Raises:
            EmptyTableError: the store is not there, or holds no row of that table.
        """
        needed = columns and list(dict.fromkeys([*columns, *KEYS[table], *(WRITING if table == "runs" else DATED)]))
        tables, skipped = load(self.storage, table, run_ids, needed)
        if not any(len(found) for found in tables):
            raise self.empty(table, skipped)
        whole = joined(tables)
        self._note_newer(table, whole.schema)
        frame = whole.to_pandas()
        absent = [name for name in ALWAYS.get(table, ()) if columns is None and name not in frame]
        frame = frame.assign(**dict.fromkeys(absent, math.nan))
        if table == "runs" and columns is None:
            from rdbench.store.row_checks import check_rows, repeated  # here, because it loads pandas

            skipped += map(plain, repeated(tables, frame))
            frame, refused = check_rows(frame)
            skipped += map(plain, refused)
            if frame.empty:
                raise self.empty(table, skipped)
        if frame.duplicated(list(KEYS[table])).any():
            frame = frame[counting(table, frame, self._writings(table, frame))].reset_index(drop=True)
        return Rows(frame if columns is None else frame[[name for name in columns if name in frame]], skipped)

    def rows_or_none(self) -> "pd.DataFrame":
        """The rows of ``runs``, an empty frame if the store exists and has none yet; raises as ``read`` otherwise."""
        import pandas as pd

        try:
            return self.read("runs").frame
        except EmptyTableError as error:
            if error.skipped or not self.storage.is_there():
                raise
            return pd.DataFrame({"run_id": [], "status": []})

    def empty(self, table: Table, skipped: list[str]) -> EmptyTableError:
        """The error for a table without rows; ``skipped`` has a message for each file that could not be read."""
        if skipped:
            return EmptyTableError(f"no {table} can be read: {'; '.join(skipped)}; see to these files first", skipped)
        named = quote(str(self))  # as a shell takes it
        if not self.storage.is_there():
            return EmptyTableError(f"there is no store {self}; make one with: rdbench sweep demo --store {named}", [])
        return EmptyTableError(f"{self} holds no {table}; fill it with: rdbench sweep demo --store {named}", [])

    def finished(self) -> set[str]:
        """The ids of the runs that have an answer, that is all but failed ones; raises as ``current``."""
        return finished(self.current())

    def current(self, run_ids: Collection[str] | None = None) -> dict[str, Writing]:
        """The date and status of each run's current row, for all runs or for ``run_ids``.

        Raises:
            UserError: a file cannot be read; to ignore it would do its runs again and overwrite it.
        """
        tables, skipped = load(self.storage, "runs", run_ids, WRITING)
        if skipped:
            raise UserError(f"{skipped[0]}; make it readable, or delete it if its runs are to be done again")
        return current(tables)

    def current_in(self, name: str) -> dict[str, Writing]:
        """As ``current``, of the runs in one file of ``runs``; empty if it is no such file."""
        try:
            return current([read_checked(self.storage, name, "runs", None, WRITING)])
        except UNREADABLE:
            return {}

    def write_compacted(self, table: Table, rows: pa.Table) -> None:
        """Write the rows of many runs into one file."""
        self.storage.write_new(f"{table}/{COMPACTED}", serialized(rows))

    def arrow(self, table: Table, run_ids: Collection[str] | None = None) -> pa.Table | None:
        """The rows that count of all runs, or of ``run_ids``, as an Arrow table; None if there are none.

        Raises:
            UserError: a file cannot be read.
        """
        tables, skipped = load(self.storage, table, run_ids, None)
        if skipped:
            raise UserError(f"{skipped[0]}; make it readable, or delete it, first")
        whole = joined(tables) if tables else None
        if whole is None or not len(whole):
            return None
        keys = deciding(table, whole).to_pandas()
        return whole.filter(pa.array(counting(table, keys, self._writings(table, keys))))

    def _writings(self, table: Table, keys: "pd.DataFrame") -> dict[str, Writing]:
        """The current writing of each run in rows of a table."""
        if table != "runs":
            return current(load(self.storage, "runs", None, WRITING)[0])
        cells = keys.reindex(columns=list(WRITING)).astype(object)
        return choose_current(cells.where(cells.notna(), None).itertuples(index=False, name=None))

    def _note_newer(self, table: Table, found: pa.Schema) -> None:
        """Warn of columns that this version keeps but does not know."""
        unknown = [field.name for field in found if not known_type(table, field.name) and field.type != OTHERS[table]]
        if unknown or version(found) > VERSION:
            names = f": the columns {', '.join(unknown)} are kept, and not used here" if unknown else ""
            _warn(plain(f"{self}/{table} was made by a newer rdbench, or with parts that are not loaded{names}"))

    def checkpoint(self, run_id: str) -> str:
        """The file name of a run's weights.

        Raises:
            UserError: it is no valid run id.
        """
        if not RUN_ID.fullmatch(run_id):
            raise UserError(f"{run_id!r} is no run_id")
        return f"{CHECKPOINTS}/{run_id}.safetensors"

    def with_weights(self) -> set[str]:
        """The ids of the runs whose weights are kept."""
        names = self.storage.names(CHECKPOINTS, ".safetensors")
        stems = (name.rpartition("/")[2].removesuffix(".safetensors") for name in names)
        return {stem for stem in stems if RUN_ID.fullmatch(stem)}  # those of states have a dot

    def load_weights(self, run_id: str) -> dict[str, NDArray[Any]]:
        """The trained weights of a run, by name.

        Raises:
            UserError: they are absent, cannot be read, or are damaged.
        """
        name = self.checkpoint(run_id)
        try:
            return load_safetensors(self.storage.read(name))
        except FileNotFoundError:
            raise UserError(f"there is no checkpoint {self}/{name}; do the run again") from None
        except OSError as error:
            raise UserError(f"cannot read the checkpoint {self}/{name}: {why(error)}; see to that file first") from None
        except (SafetensorError, KeyError, ValueError) as error:
            raise UserError(f"cannot read the checkpoint {self}/{name}: {reason(error)}; do the run again") from None


@cache
def _warn(line: str) -> None:
    """Log a warning, once however often a table is read."""
    log.warning(line)
