"""A store: a folder of Parquet tables, one file a run in each, and of checkpoints.

Every file is written whole under another name and then renamed, and the row in ``runs`` comes last, so a run that has a
row has everything else.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import save as save_safetensors

from rdbench.errors import UserError

Table = Literal["runs", "history", "examples"]
Column = Sequence[Any] | NDArray[Any]
TABLES: tuple[Table, ...] = ("runs", "history", "examples")

TEXT = ("run_id", "sweep", "status", "error", "created_at", "dataset", "family", "encoder", "decoder", "marginal",
        "objective", "precision", "config", "device", "rdbench_version", "torch_version", "git_commit",
        "dataset_sha256")  # fmt: skip
WHOLE = ("latent_dim", "pseudo_inputs", "anneal_epochs", "epochs", "batch_size", "seed", "rate_samples",
         "evaluation_images", "train_images", "valid_images", "test_images", "parameters",
         "peak_memory_bytes")  # fmt: skip
SCHEMAS: Mapping[Table, Mapping[str, pa.DataType]] = {
    "runs": {name: pa.string() for name in TEXT} | {name: pa.int64() for name in WHOLE},
    "history": {"run_id": pa.string(), "epoch": pa.int64(), "step": pa.int64()},
    "examples": {"run_id": pa.string(), "index": pa.int64()},
}
"""The columns that are not numbers of double precision, or of single precision in ``examples``."""
OTHERS: Mapping[Table, pa.DataType] = {"runs": pa.float64(), "history": pa.float64(), "examples": pa.float32()}


@dataclass(frozen=True)
class Record:
    """What a run leaves behind: its row, its epochs, its test images, and the model's weights by name."""

    run_id: str
    row: Mapping[str, Any]
    history: Mapping[str, Column]
    examples: Mapping[str, Column]
    weights: Mapping[str, NDArray[np.float32]]


class Store:
    """The store in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folders, and see that files can be written.

        Raises:
            UserError: they cannot.

        """
        try:
            for name in (*TABLES, "checkpoints"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise UserError(f"cannot write to the store {self.folder}: {error.strerror}; name another") from None

    def write(self, record: Record) -> None:
        """Keep a record; its row comes last.

        Raises:
            UserError: the store cannot be written.

        """
        row = {name: [value] for name, value in record.row.items()}
        columns: dict[Table, Mapping[str, Column]]
        columns = {"examples": record.examples, "history": record.history, "runs": row}
        try:
            write_whole(self.checkpoint(record.run_id), save_safetensors(dict(record.weights)))
            for table, values in columns.items():
                write_whole(self.folder / table / f"{record.run_id}.parquet", _parquet(table, values))
        except OSError as error:
            raise UserError(f"cannot write to the store {self.folder}: {error}; earlier runs are whole") from None

    def read(self, table: Table) -> pd.DataFrame:
        """All rows of a table, whatever files hold them.

        Raises:
            UserError: the store or the table is not there, is empty, or holds a file that cannot be read.

        """
        tables = []
        for path in self._files(table):
            try:
                tables.append(pq.read_table(path))
            except (OSError, pa.ArrowInvalid) as error:
                raise UserError(f"{path} is not a readable Parquet file ({error}); move it away") from None
        if not tables:
            raise UserError(f"{self.folder} holds no {table}; fill it with: rdbench sweep --store {self.folder}")
        return pa.concat_tables(tables, promote_options="default").to_pandas()

    def finished(self) -> set[str]:
        """The ids of the runs that have a row."""
        return set(self.read("runs")["run_id"]) if self._files("runs") else set()

    def checkpoint(self, run_id: str) -> Path:
        """Where the weights of a run lie."""
        return self.folder / "checkpoints" / f"{run_id}.safetensors"

    def _files(self, table: Table) -> list[Path]:
        return sorted((self.folder / table).glob("*.parquet"))


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that, whenever the machine stops, it is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".partial", delete=False) as partial:
        partial.write(content)
        partial.flush()
        os.fsync(partial.fileno())
    os.replace(partial.name, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _parquet(table: Table, columns: Mapping[str, Column]) -> memoryview:
    fields = [pa.field(name, SCHEMAS[table].get(name, OTHERS[table])) for name in columns]
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(columns), schema=pa.schema(fields)), buffer, compression="zstd")
    return memoryview(buffer.getvalue())
