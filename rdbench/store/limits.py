"""How large a table may be: a small file can hold any number of rows, so its metadata is asked before it is read."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rdbench.errors import RefusedFileError
from rdbench.store.schema import Table

ROWS: Mapping[Table, int] = {"runs": 1_000_000, "history": 20_000_000, "examples": 20_000_000}
COLUMNS = 5_000
VALUES = 400_000_000
"""In all columns together, the members of lists among them."""

BYTES = 4 * 2**30
"""Of all columns once they are decompressed, and of all texts once each stands in its row."""


def require_bounded(table: Table, metadata: pq.FileMetaData) -> None:
    """Raise where a file holds more than is read.

    Raises:
        RefusedFileError: it does.
    """
    _require("rows", metadata.num_rows, ROWS[table])
    _require("columns", metadata.num_columns, COLUMNS)
    chunks = _chunks(metadata)
    _require("values", sum(chunk.num_values for chunk in chunks), VALUES)
    _require("bytes once decompressed", sum(chunk.total_uncompressed_size for chunk in chunks), BYTES)


def require_bounded_texts(file: pa.NativeFile, metadata: pq.FileMetaData) -> None:
    """Raise where texts that a file holds once, and names in many rows, would be too large when each row has its own.

    Raises:
        RefusedFileError: they would.
    """
    swelling = {
        chunk.path_in_schema
        for chunk in _chunks(metadata)
        if chunk.physical_type == "BYTE_ARRAY" and chunk.num_values * chunk.total_uncompressed_size > BYTES
    }
    if nested := sorted(path for path in swelling if "." in path):
        raise RefusedFileError(f"column {nested[0]} holds lists of texts, which may take more than {BYTES:,} bytes")
    size = 0
    for path in swelling:
        for chunk in pq.ParquetFile(file, read_dictionary=[path]).read([path])[0].chunks:
            size += pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0
            _require("bytes of text", size, BYTES)


def _chunks(metadata: pq.FileMetaData) -> list[pq.ColumnChunkMetaData]:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return [group.column(index) for group in groups for index in range(group.num_columns)]


def _require(what: str, found: int, most: int) -> None:
    if found > most:
        raise RefusedFileError(f"found {found:,} {what}; expected at most {most:,}")
