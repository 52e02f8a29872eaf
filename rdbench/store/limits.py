"""Bounds on the size of a table, checked in a file's metadata, since a small file can hold any number of rows."""

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rdbench.errors import RefusedFileError
from rdbench.store.columns import Table

ROWS: Mapping[Table, int] = {"runs": 1_000_000, "history": 20_000_000, "examples": 20_000_000}
COLUMNS = 5_000
VALUES = 400_000_000
"""The most values in all columns together, counting the members of lists."""

BYTES = 4 * 2**30
"""The most bytes of all columns once decompressed, and of all texts once each row has its own copy."""


def require_bounded(table: Table, file: pa.NativeFile, metadata: pq.FileMetaData) -> None:
    """Refuse a file that exceeds the bounds.

    Raises:
        RefusedFileError: it exceeds one of them.
    """
    _require("rows", metadata.num_rows, ROWS[table])
    _require("columns", metadata.num_columns, COLUMNS)
    values = size = 0
    swelling = set()
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    for chunk in (group.column(index) for group in groups for index in range(group.num_columns)):
        mine, bytes_of_mine = chunk.num_values, chunk.total_uncompressed_size
        values, size = values + mine, size + bytes_of_mine
        if mine * bytes_of_mine > BYTES and chunk.physical_type == "BYTE_ARRAY":
            swelling.add(chunk.path_in_schema)
    _require("values", values, VALUES)
    _require("bytes once decompressed", size, BYTES)
    _require_bounded_texts(file, swelling)


def _require_bounded_texts(file: pa.NativeFile, paths: Collection[str]) -> None:
    """Refuse dictionary-encoded texts, stored once for many rows, that are too large when copied to each row."""
    if nested := sorted(path for path in paths if "." in path):
        raise RefusedFileError(f"column {nested[0]} holds lists of texts, which may take more than {BYTES:,} bytes")
    size = 0
    for path in paths:
        for chunk in pq.ParquetFile(file, read_dictionary=[path]).read([path])[0].chunks:
            size += pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0
            _require("bytes of text", size, BYTES)


def _require(what: str, found: int, most: int) -> None:
    if found > most:
        raise RefusedFileError(f"found {found:,} {what}; expected at most {most:,}")
