"""The tables of a store as files: what names a row, which version wrote it, and a run's record before it is written."""

import math
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
"""The version of these tables. Every file carries it, so that an older rdbench can say that a newer one wrote it."""

VERSION_KEY = b"rdbench_schema"

KEYS: Mapping[Table, Sequence[str]] = {
    "runs": ("run_id",),
    "history": ("run_id", "epoch"),
    "examples": ("run_id", "index"),
}
"""The columns that identify a row."""

REQUIRED: Mapping[Table, Sequence[str]] = {**KEYS, "runs": ("run_id", "status")}
"""The columns that every file of a table has."""

RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A valid run id: a stranger's table must not name files outside the store."""

MEASURES = ("rate", "distortion", "elbo")
ALWAYS: Mapping[Table, Sequence[str]] = {
    "runs": ("error", "config", "dataset_sha256", "test_images", "train_seconds", *DESCRIPTION, *MEASURES,
             *(f"{name}_se" for name in MEASURES)),
    "history": ("valid_rate", "valid_distortion", "beta"),
    "examples": ("rate", "distortion"),
}  # fmt: skip
"""Columns that readers always find, even if no run was measured."""


@dataclass(frozen=True)
class Record:
    """What a run writes: its row, its epochs, its test images, and the model's weights by name."""

    run_id: str
    row: Mapping[str, Any]
    history: Mapping[str, Column]
    examples: Mapping[str, Column]
    weights: Mapping[str, NDArray[np.floating]]


def typed(table: Table, found: pa.Table) -> pa.Table:
    """A table with known columns cast to the types that rdbench writes, and no metadata but the version.

    Raises:
        KeyError: two columns have one name, or a column cannot be cast.
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
    """The version of the tables that a file carries, 0 if it carries none."""
    text = (schema.metadata or {}).get(VERSION_KEY, b"0")
    return int(text) if re.fullmatch(rb"\d{1,9}", text) else 0


def marked(rows: pa.Table, number: int) -> pa.Table:
    """The rows with this version as their only metadata."""
    return rows.replace_schema_metadata({VERSION_KEY: str(number)})


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Concatenate tables, with the columns of all and the latest of their versions.

    Raises:
        UserError: a column that this version does not know has different types in two tables.
    """
    try:
        whole = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(
            f"the files of the store do not go together: {reason(error)}; install a newer rdbench"
        ) from None
    return marked(whole, max(version(found.schema) for found in tables))


def dated(columns: Mapping[str, Column], row: Mapping[str, Any]) -> Mapping[str, Column]:
    """The columns with the row's ``created_at``, which tells the current rows of a run in every table."""
    if not columns:
        return columns
    return {**columns, "created_at": [row["created_at"]] * len(columns["run_id"])}


def known(value: Any) -> bool:
    """Whether a cell has a value: it is neither None nor NaN."""
    return value is not None and not (isinstance(value, float | np.floating) and math.isnan(value))


def with_column(rows: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows with a column replaced, or appended if there is none of that name."""
    if name in rows.column_names:
        return rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column(name, column)


def to_parquet(table: Table, columns: Mapping[str, Column]) -> memoryview:
    """The columns as the bytes of a Parquet file."""
    fields = [pa.field(name, column_type(table, name)) for name in columns]
    return serialized(pa.table(dict(columns), schema=pa.schema(fields)))


def serialized(table: pa.Table) -> memoryview:
    """A table as the bytes of a Parquet file, compressed by zstd, with the version in its metadata."""
    buffer = pa.BufferOutputStream()
    pq.write_table(marked(table, max(VERSION, version(table.schema))), buffer, compression="zstd")
    return memoryview(buffer.getvalue())
