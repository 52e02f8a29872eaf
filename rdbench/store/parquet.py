"""The Parquet files of a store's tables: list them, and read them with checks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rdbench.errors import plain
from rdbench.store.columns import Table, column_type, known_type
from rdbench.store.current import WRITING, without_false_dates
from rdbench.store.files import Storage
from rdbench.store.limits import require_bounded
from rdbench.store.schema import REQUIRED, RUN_ID, VERSION, VERSION_KEY, typed, version

UNREADABLE = (OSError, pa.ArrowException, KeyError, ValueError)
"""The errors that reading a file can raise if it is not a valid table."""

MANY_RUNS = 100
"""Of more than so many runs a file is read whole, which is faster than to look for each."""

COMPACTED = "compacted-"
"""The beginning of the names of compacted files, which hold many runs; any other file is named by its one run."""


class NewerTableError(ValueError):
    """A newer rdbench wrote this table, and this version cannot read its known columns."""


def files(storage: Storage, table: Table, run_ids: Collection[str] | None = None) -> list[str]:
    """The files of a table: all compacted files, and the files of single runs that are in ``run_ids``."""
    names = storage.names(table, ".parquet")
    if run_ids is None:
        return names
    wanted = set(run_ids)
    return [name for name in names if COMPACTED in name or run_of(name) in wanted]


def run_of(name: str) -> str:
    """The run whose rows are in a file of a table that is not compacted, by the file's name."""
    return name.rpartition("/")[2].partition(".")[0]


def load(
    storage: Storage, table: Table, run_ids: Collection[str] | None, columns: Sequence[str] | None
) -> tuple[list[pa.Table], list[str]]:
    """The tables of all files, and a message for each file that cannot be read."""
    while True:
        names = files(storage, table, run_ids)
        found = _read_all(storage, names, table, run_ids, columns)
        if found is not None and not _merged_since(storage, names, table, run_ids):
            return found


def _read_all(
    storage: Storage,
    names: Sequence[str],
    table: Table,
    run_ids: Collection[str] | None,
    columns: Sequence[str] | None,
) -> tuple[list[pa.Table], list[str]] | None:
    """As ``load``; None if a file vanished meanwhile, because another process compacted it into a larger one."""
    tables, skipped = [], []
    for name in names:
        try:
            tables.append(read_checked(storage, name, table, run_ids, columns))
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            skipped.append(unreadable(storage, name, table, error))
    return tables, skipped


def _merged_since(storage: Storage, names: Sequence[str], table: Table, run_ids: Collection[str] | None) -> bool:
    """Whether a compacted file appeared since the files were listed.

    A listing is not atomic: ours may lack both the files that were compacted and the file they were compacted into.
    """
    return any(COMPACTED in name for name in {*files(storage, table, run_ids)} - {*names})


def unreadable(storage: Storage, name: str, table: Table, error: Exception) -> str:
    """A message that says which file cannot be read as a table, and why."""
    if isinstance(error, NewerTableError):
        return plain(f"{storage}/{name}: {error}")
    why = f"{error.args[0] if error.args else error}".partition("\n")[0]
    if isinstance(error, OSError) and error.strerror:
        return plain(f"{storage}/{name}: cannot be read ({error.strerror})")
    return plain(f"{storage}/{name}: not a table of {table} ({why})")


def read_checked(
    storage: Storage,
    name: str,
    table: Table,
    run_ids: Collection[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of one file, with known columns in the types that rdbench writes.

    Raises:
        KeyError: it lacks a required column, or has an invalid run id.
        NewerTableError: a newer rdbench wrote it in a form that this version cannot read.
        ArrowException, OSError, ValueError: it is no valid table for another reason.
    """
    with storage.open(name) as file:
        parquet = _bounded(file, table)
        try:
            found = _rows(parquet, file, table, run_ids, columns)
        except KeyError as error:
            if version(parquet.schema_arrow) <= VERSION:
                raise
            raise NewerTableError(f"made by a newer rdbench ({error.args[0]}); install that to read it") from None
    return _checked(found)


class Survey(NamedTuple):
    """The contents of a file, found without reading most of its columns.

    ``stamp`` is the file's stamp before it was read, ``stored`` its schema as stored, ``schema`` that with the types
    that rdbench writes, and ``writings`` the distinct cells of ``WRITING``.
    """

    name: str
    stamp: tuple[datetime, int] | None
    stored: pa.Schema
    schema: pa.Schema
    writings: list[tuple[str, str | None, str | None, str | None]]


def survey(storage: Storage, name: str, table: Table) -> Survey:
    """Survey a file; raises as ``read_checked``."""
    stamp = storage.stamp(name)
    with storage.open(name) as file:
        parquet = _bounded(file, table)
        stored = parquet.schema_arrow
        rows = _checked(_rows(parquet, file, table, None, WRITING))
    present = [column for column in WRITING if column in rows.column_names]
    once = rows.group_by(present).aggregate([]).to_pylist()
    schema = pa.schema([(field.name, known_type(table, field.name) or field.type) for field in stored])
    return Survey(
        name,
        stamp,
        stored,
        schema.with_metadata({VERSION_KEY: str(version(stored))}),
        [tuple(map(row.get, WRITING)) for row in once],
    )


def _bounded(file: pa.NativeFile, table: Table) -> pq.ParquetFile:
    """Open a table's file after checking in its metadata that it is not too large."""
    parquet = pq.ParquetFile(file)
    require_bounded(table, file, parquet.metadata)
    return parquet


def _checked(found: pa.Table) -> pa.Table:
    for run_id in found["run_id"].unique().to_pylist():
        if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
            raise KeyError(f"{run_id!r} is no run_id")
    return without_false_dates(found)


def _rows(
    parquet: pq.ParquetFile,
    file: pa.NativeFile,
    table: Table,
    run_ids: Collection[str] | None,
    columns: Sequence[str] | None,
) -> pa.Table:
    present = parquet.schema_arrow.names
    missing = [column for column in REQUIRED[table] if column not in present]
    if missing and not parquet.metadata.num_rows:  # a run that was not measured leaves an empty file
        return pa.schema([(name, column_type(table, name)) for name in REQUIRED[table]]).empty_table()
    if missing:
        raise KeyError(f"no column {missing[0]}")
    wanted = columns and [column for column in columns if column in present]
    if run_ids is None:
        return typed(table, parquet.read(wanted))
    if len(run_ids) > MANY_RUNS:
        rows = typed(table, parquet.read(wanted))
        return rows.filter(pc.is_in(rows["run_id"], pa.array([*run_ids], pa.string())))
    return typed(table, pq.read_table(file, columns=wanted, filters=[("run_id", "in", set(run_ids))]))
