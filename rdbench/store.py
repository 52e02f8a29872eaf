"""A store: a folder of Parquet tables and of checkpoints; a file holds one run, or many once they are compacted.

Every file is written whole under another name and then renamed, and the row in ``runs`` comes last, so a run that has a
row has everything else.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_safetensors
from safetensors.numpy import save as save_safetensors

from rdbench.errors import UserError

Table = Literal["runs", "history", "examples"]
Column = Sequence[Any] | NDArray[Any]
TABLES: tuple[Table, ...] = ("runs", "history", "examples")

TEXT = ("run_id", "sweep", "status", "error", "created_at", "dataset", "family", "encoder", "decoder", "marginal",
        "objective", "precision", "config", "command", "device", "rdbench_version", "torch_version", "git_commit",
        "dataset_sha256")  # fmt: skip
WHOLE = ("latent_dim", "pseudo_inputs", "anneal_epochs", "epochs", "batch_size", "seed", "rate_samples",
         "train_samples", "evaluation_images", "generated_images", "active_units", "train_active_units",
         "threads", "train_images", "valid_images", "test_images", "parameters", "peak_memory_bytes")  # fmt: skip
LISTS = ("rate_by_dimension", "train_rate_by_dimension")
SCHEMAS: Mapping[Table, Mapping[str, pa.DataType]] = {
    "runs": {
        **dict.fromkeys(TEXT, pa.string()),
        **dict.fromkeys(WHOLE, pa.int64()),
        **dict.fromkeys(LISTS, pa.list_(pa.float64())),
        "train_information": pa.bool_(),
    },
    "history": {"run_id": pa.string(), "epoch": pa.int64(), "step": pa.int64()},
    "examples": {"run_id": pa.string(), "index": pa.int64()},
}
"""The columns that are not numbers of double precision, or of single precision in ``examples``."""
OTHERS: Mapping[Table, pa.DataType] = {"runs": pa.float64(), "history": pa.float64(), "examples": pa.float32()}

KEYS: Mapping[Table, Sequence[str]] = {
    "runs": ("run_id",),
    "history": ("run_id", "epoch"),
    "examples": ("run_id", "index"),
}
"""What names a row."""

REQUIRED: Mapping[Table, Sequence[str]] = {**KEYS, "runs": ("run_id", "status")}
"""The columns by which a file is known to be one of ours."""

PLANS = "plans"
COMPACTED = "compacted-"
RUNS_A_FILE = 1000


MEASURES = ("rate", "distortion", "elbo")
ALWAYS = {"runs": (*MEASURES, *(f"{name}_se" for name in MEASURES), "train_seconds", "test_images")}
"""Columns that readers find even where no run got as far as to measure them."""


class EmptyTableError(UserError):
    """A store without a row of a table; ``skipped`` has a line for each file that could not be read."""

    def __init__(self, message: str, skipped: list[str]) -> None:
        super().__init__(message)
        self.skipped = skipped
        self.exit_code = 3 if skipped else 2


class Rows(NamedTuple):
    """Rows of a table, each once, and a line for every file that could not be read as such a table."""

    frame: pd.DataFrame
    skipped: list[str]


@dataclass(frozen=True)
class Record:
    """What a run leaves behind: its row, its epochs, its test images, and the model's weights by name."""

    run_id: str
    row: Mapping[str, Any]
    history: Mapping[str, Column]
    examples: Mapping[str, Column]
    weights: Mapping[str, NDArray[np.floating]]


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
            for name in (*TABLES, "checkpoints", PLANS):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise UserError(f"cannot write to the store {self.folder}: {error.strerror}; name another") from None

    def announce(self, sweep: str, command: str, runs: Mapping[str, str]) -> None:
        """Note the runs that a sweep is to have, each id with what it is in words, so that a gap can be seen later.

        Raises:
            UserError: the store cannot be written.
        """
        plan = json.dumps({"sweep": sweep, "command": command, "runs": dict(runs)}, ensure_ascii=False, indent=0)
        name = hashlib.sha256(plan.encode()).hexdigest()[:16]
        try:
            write_whole(self.folder / PLANS / f"{name}.json", plan.encode())
        except OSError as error:
            raise UserError(f"cannot write to the store {self.folder}: {error.strerror}; name another") from None

    def missing(self, finished: Collection[str]) -> tuple[list[str], list[str]]:
        """A line for each announced run that is not among those ``finished``, and for each plan that cannot be read."""
        lines, skipped = {}, []
        for path in sorted((self.folder / PLANS).glob("*.json")):
            try:
                plan = json.loads(path.read_text(encoding="utf-8"))
                for run_id, words in plan["runs"].items():
                    if run_id not in finished:
                        lines[run_id] = f"run {run_id} ({words}) is missing; finish it with: {plan['command']}"
            except (OSError, ValueError, TypeError, KeyError, AttributeError):
                skipped.append(f"{path}: not the plan of a sweep")
        return list(lines.values()), skipped

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

    def read(self, table: Table, run_ids: Collection[str] | None = None) -> Rows:
        """The rows of a table, whatever files hold them; of the runs in ``run_ids`` only, where these are given.

        Raises:
            EmptyTableError: the store is not there, or holds no row of that table.
        """
        tables, skipped = [], []
        for path in self._files(table, run_ids):
            try:
                tables.append(_read_checked(path, table, run_ids))
            except (OSError, pa.ArrowException, KeyError) as error:
                skipped.append(f"{path}: not a table of {table} ({str(error).splitlines()[0]})")
        if not any(len(found) for found in tables):
            raise self._empty(table, skipped)
        frame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        absent = [name for name in ALWAYS.get(table, ()) if name not in frame]
        frame = frame.assign(**dict.fromkeys(absent, math.nan))
        if "created_at" in frame:  # of a run that was done again, the newest row counts
            frame = frame.sort_values("created_at", kind="stable")
        return Rows(frame.drop_duplicates(list(KEYS[table]), keep="last", ignore_index=True), skipped)

    def _empty(self, table: Table, skipped: list[str]) -> EmptyTableError:
        if skipped:
            return EmptyTableError(f"no {table} can be read: {'; '.join(skipped)}; delete and sweep again", skipped)
        if not self.folder.is_dir():
            return EmptyTableError(
                f"there is no store {self.folder}; make it with: rdbench sweep --store {self.folder}", []
            )
        return EmptyTableError(f"{self.folder} holds no {table}; fill it with: rdbench sweep --store {self.folder}", [])

    def finished(self) -> set[str]:
        """The ids of the runs that have a row, less those that failed: these are worth another try."""
        try:
            runs = self.read("runs").frame
        except EmptyTableError:
            return set()
        return set(runs.loc[runs["status"] != "failed", "run_id"])

    def compact(self) -> None:
        """Merge files of one run into files of many, so that ten thousand runs are read in a second.

        A merged file is there whole before what it holds is deleted, and a row that is met twice counts once, so a
        reader sees every run at every moment, and so it is after a crash.
        """
        for table in TABLES:
            single = [path for path in self._files(table) if not path.name.startswith(COMPACTED)]
            for start in range(0, len(single), RUNS_A_FILE):
                self._merge(table, single[start : start + RUNS_A_FILE])

    def _merge(self, table: Table, paths: Sequence[Path]) -> None:
        tables, merged = [], []
        for path in paths:
            try:
                tables.append(_read_checked(path, table, None))
            except (OSError, pa.ArrowException, KeyError):
                continue  # left where it is, for a reader to name
            merged.append(path)
        if len(merged) < 2:
            return
        name = hashlib.sha256("".join(path.stem for path in merged).encode()).hexdigest()[:16]
        whole = pa.concat_tables(tables, promote_options="permissive")
        write_whole(self.folder / table / f"{COMPACTED}{name}.parquet", _serialized(whole))
        for path in merged:
            path.unlink(missing_ok=True)

    def checkpoint(self, run_id: str) -> Path:
        """Where the weights of a run lie."""
        return self.folder / "checkpoints" / f"{run_id}.safetensors"

    def _files(self, table: Table, run_ids: Collection[str] | None = None) -> list[Path]:
        """The files of a table, less those of one run that is not asked for."""
        paths = sorted((self.folder / table).glob("*.parquet"))
        if run_ids is None:
            return paths
        return [path for path in paths if path.name.startswith(COMPACTED) or path.stem in run_ids]


def load_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a checkpoint, by name.

    Raises:
        UserError: it is absent, or not a file of such.
    """
    try:
        return load_safetensors(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read the checkpoint {path}: {error}; do the run again") from None


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that, whenever the machine stops, it is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".partial", delete=False) as partial:
        try:
            partial.write(content)
            partial.flush()
            os.fsync(partial.fileno())
        except OSError:
            os.unlink(partial.name)
            raise
    os.replace(partial.name, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_checked(path: Path, table: Table, run_ids: Collection[str] | None) -> pa.Table:
    """The rows of one file; raises KeyError where it lacks a column that every such file has."""
    filters = None if run_ids is None else [("run_id", "in", set(run_ids))]
    found = pq.read_table(path, partitioning=None, filters=filters)
    missing = [name for name in REQUIRED[table] if name not in found.column_names]
    if missing:
        raise KeyError(f"no column {missing[0]}")
    return found


def _parquet(table: Table, columns: Mapping[str, Column]) -> memoryview:
    fields = [pa.field(name, SCHEMAS[table].get(name, OTHERS[table])) for name in columns]
    return _serialized(pa.table(dict(columns), schema=pa.schema(fields)))


def _serialized(table: pa.Table) -> memoryview:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    return memoryview(buffer.getvalue())
