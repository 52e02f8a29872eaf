"""The Parquet files of a store's tables: which there are, and what each holds."""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from rdbench.errors import plain
from rdbench.store.files import Storage
from rdbench.store.schema import REQUIRED, RUN_ID, SCHEMAS, Table, typed

UNREADABLE = (OSError, pa.ArrowException, KeyError, ValueError)
"""What reading a file raises that is no table of ours."""

COMPACTED = "compacted-"
"""How the name of a file begins that holds many runs; others are called by their run."""


def files(storage: Storage, table: Table, run_ids: Collection[str] | None = None) -> list[str]:
    """The files of a table, less those of one run that is not asked for."""
    names = storage.names(table, ".parquet")
    if run_ids is None:
        return names
    wanted = {f"{table}/{run_id}.parquet" for run_id in run_ids}
    return [name for name in names if COMPACTED in name or name in wanted]


def load(
    storage: Storage, table: Table, run_ids: Collection[str] | None, columns: Sequence[str] | None
) -> tuple[list[pa.Table], list[str]]:
    """The tables of all files, and a line for each that is none; again where a file went away meanwhile."""
    while True:
        tables, skipped = [], []
        names = files(storage, table, run_ids)
        try:
            for name in names:
                try:
                    tables.append(read_checked(storage, name, table, run_ids, columns))
                except FileNotFoundError:
                    raise
                except UNREADABLE as error:
                    why = f"{error.args[0] if error.args else error}".partition("\n")[0]
                    skipped.append(plain(f"{storage}/{name}: not a table of {table} ({why})"))
        except FileNotFoundError:
            continue  # another process merged it into a larger file
        came = {*files(storage, table, run_ids)} - {*names}
        if any(COMPACTED in name for name in came):
            continue  # no listing is of one moment: the first may lack what was merged, and what it was merged into
        return tables, skipped


def read_checked(
    storage: Storage, name: str, table: Table, run_ids: Collection[str] | None, columns: Sequence[str] | None
) -> pa.Table:
    """The rows of one file.

    Raises:
        KeyError: it lacks a column that every such file has, or names a run as none can be named.
        ArrowException, OSError, ValueError: it is no such table in another way.
    """
    with storage.open(name) as file:
        parquet = pq.ParquetFile(file)
        present = parquet.schema_arrow.names
        missing = [column for column in REQUIRED[table] if column not in present]
        if missing and not parquet.metadata.num_rows:  # as a run leaves it that came to nothing
            return pa.schema([(name, SCHEMAS[table][name]) for name in REQUIRED[table]]).empty_table()
        if missing:
            raise KeyError(f"no column {missing[0]}")
        wanted = columns and [column for column in columns if column in present]
        if run_ids is None:
            found = parquet.read(wanted)
        else:
            found = pq.read_table(file, columns=wanted, filters=[("run_id", "in", set(run_ids))])
        found = typed(table, found)
    for run_id in found["run_id"].unique().to_pylist():
        if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
            raise KeyError(f"{run_id!r} is no run_id")
    return found
