"""The tables of a store as files: what names a row, which version wrote it, and a run's record before it is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rdbench.config.run_config import DESCRIPTION
from rdbench.errors import UserError, reason
from rdbench.store.columns import Table, column_type, known_type

Column = Sequence[Any] | NDArray[Any]

VERSION = 1
"""Of these tables; a file carries it, so that an older rdbench can say that a newer one wrote it."""

VERSION_KEY = b"rdbench_schema"

KEYS: Mapping[Table, Sequence[str]] = {
    "runs": ("run_id",),
    "history": ("run_id", "epoch"),
    "examples": ("run_id", "index"),
}
"""What names a row."""

REQUIRED: Mapping[Table, Sequence[str]] = {**KEYS, "runs": ("run_id", "status")}
"""The columns by which a file is known to be one of ours."""

RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a run can be called: a stranger's tables must not lead to files elsewhere."""

MEASURES = ("rate", "distortion", "elbo")
ALWAYS: Mapping[Table, Sequence[str]] = {
    "runs": ("error", "config", "dataset_sha256", "test_images", "train_seconds", *DESCRIPTION, *MEASURES,
             *(f"{name}_se" for name in MEASURES)),
    "history": ("valid_rate", "valid_distortion", "beta"),
    "examples": ("rate", "distortion"),
}  # fmt: skip
"""Columns that readers find even where no run got as far as to measure them."""


@dataclass(frozen=True)
class Record:
    """What a run leaves behind: its row, its epochs, its test images, and the model's weights by name."""

    run_id: str
    row: Mapping[str, Any]
    history: Mapping[str, Column]
    examples: Mapping[str, Column]
    weights: Mapping[str, NDArray[np.floating]]


def typed(table: Table, found: pa.Table) -> pa.Table:
    """The same with its known columns in the types that we write, without what others noted beside them.

    Raises:
        KeyError: it cannot be.
    """
    names = found.column_names
    if len(set(names)) < len(names):
        raise KeyError("two columns have one name")
    columns = {}
    for name, column in zip(names, found.columns, strict=True):
        wanted = known_type(table, name) or column.type
        try:
            columns[name] = column if column.type == wanted else column.cast(wanted)
            columns[name].validate(full=True)
        except pa.ArrowException:
            raise KeyError(f"column {name}: found {column.type}, expected {wanted}") from None
    return marked(pa.table(columns), version(found.schema))


def version(schema: pa.Schema) -> int:
    """The version of the tables that a file was written with, 0 where it does not say."""
    text = (schema.metadata or {}).get(VERSION_KEY, b"0")
    return int(text) if re.fullmatch(rb"\d{1,9}", text) else 0


def marked(rows: pa.Table, number: int) -> pa.Table:
    """Rows that carry this version, and no other note."""
    return rows.replace_schema_metadata({VERSION_KEY: str(number)})


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables as one with all their columns, and the latest of their versions.

    Raises:
        UserError: a column that this version does not know is of one type here and of another there.
    """
    try:
        whole = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(
            f"the files of the store do not go together: {reason(error)}; install a newer rdbench"
        ) from None
    return marked(whole, max(version(found.schema) for found in tables))


def dated(columns: Mapping[str, Column], row: Mapping[str, Any]) -> Mapping[str, Column]:
    """Columns with the time of writing, by which the current rows of a run are known in every table."""
    if not columns:
        return columns
    return {**columns, "created_at": [row["created_at"]] * len(columns["run_id"])}


def known(value: Any) -> bool:
    """Whether a cell holds something: neither nothing nor NaN."""
    return value is not None and not (isinstance(value, float | np.floating) and np.isnan(value))


def with_column(rows: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Rows with a column of that name, in the place of the one they have or after the last."""
    if name in rows.column_names:
        return rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column(name, column)


def to_parquet(table: Table, columns: Mapping[str, Column]) -> memoryview:
    """Columns as a Parquet file of that table."""
    fields = [pa.field(name, column_type(table, name)) for name in columns]
    return serialized(pa.table(dict(columns), schema=pa.schema(fields)))


def serialized(table: pa.Table) -> memoryview:
    """A table as a Parquet file, compressed by zstd, that says its version."""
    buffer = pa.BufferOutputStream()
    pq.write_table(marked(table, max(VERSION, version(table.schema))), buffer, compression="zstd")
    return memoryview(buffer.getvalue())
