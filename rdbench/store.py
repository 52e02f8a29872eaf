"""A store: a folder of Parquet tables and of checkpoints; a file holds one run, or many once they are compacted.

Every file is written whole under another name and then renamed, and the row in ``runs`` comes last, so a run that has a
row has everything else.
"""

import hashlib
import json
import math
import re
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
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from rdbench.errors import UserError
from rdbench.storage import open_storage

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
    "history": {"run_id": pa.string(), "created_at": pa.string(), "epoch": pa.int64(), "step": pa.int64()},
    "examples": {"run_id": pa.string(), "created_at": pa.string(), "index": pa.int64()},
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
CHECKPOINTS = "checkpoints"
CLAIMS = "claims"
COMPACTED = "compacted-"
RUNS_A_FILE = 1000

RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a run can be called: a stranger's tables must not lead to files elsewhere."""

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
            raise UserError(f"cannot write to the store {self}: {_why(error)}; name another") from None

    def announce(self, sweep: str, command: str, runs: Mapping[str, str]) -> None:
        """Note the runs that a sweep is to have, each id with what it is in words, so that a gap can be seen later.

        Raises:
            UserError: the store cannot be written.
        """
        plan = json.dumps({"sweep": sweep, "command": command, "runs": dict(runs)}, ensure_ascii=False, indent=0)
        name = hashlib.sha256(plan.encode()).hexdigest()[:16]
        try:
            self.storage.write(f"{PLANS}/{name}.json", plan.encode())
        except OSError as error:
            raise UserError(f"cannot write to the store {self}: {_why(error)}; name another") from None

    def missing(self, finished: Collection[str]) -> tuple[list[str], list[str]]:
        """A line for each announced run that is not among those ``finished``, and for each plan that cannot be read."""
        lines, skipped = {}, []
        for name in self.storage.names(PLANS, ".json"):
            try:
                plan = json.loads(self.storage.read(name))
                for run_id, words in plan["runs"].items():
                    if run_id not in finished:
                        lines[run_id] = f"run {run_id} ({words}) is missing; finish it with: {plan['command']}"
            except (OSError, ValueError, TypeError, KeyError, AttributeError):
                skipped.append(f"{self.storage}/{name}: not the plan of a sweep")
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
            self.storage.write(self.checkpoint(record.run_id), save_safetensors(dict(record.weights)))
            for table, values in columns.items():
                dated = _dated(values, record.row)
                self.storage.write(f"{table}/{record.run_id}.parquet", _parquet(table, dated))
        except OSError as error:
            raise UserError(f"cannot write to the store {self}: {_why(error)}; earlier runs are whole") from None

    def read(self, table: Table, run_ids: Collection[str] | None = None, columns: Sequence[str] | None = None) -> Rows:
        """The rows of a table, whatever files hold them, of the newest writing of each run.

        Only of the runs in ``run_ids`` and only ``columns``, where these are given.

        Raises:
            EmptyTableError: the store is not there, or holds no row of that table.
        """
        tables, skipped = self._load(table, run_ids, columns)
        if not any(len(found) for found in tables):
            raise self._empty(table, skipped)
        frame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        absent = [name for name in ALWAYS.get(table, ()) if columns is None and name not in frame]
        frame = frame.assign(**dict.fromkeys(absent, math.nan))
        if frame.duplicated(keys := list(KEYS[table])).any():
            if "created_at" in frame:  # of a run that was done again, the newest row counts
                frame = frame.sort_values("created_at", kind="stable", na_position="first")
            frame = frame.drop_duplicates(keys, keep="last", ignore_index=True)
        return Rows(frame, skipped)

    def _load(
        self, table: Table, run_ids: Collection[str] | None, columns: Sequence[str] | None
    ) -> tuple[list[pa.Table], list[str]]:
        """The tables of all files, and a line for each that is none; again where a file went away meanwhile."""
        while True:
            tables, skipped = [], []
            try:
                for name in self._files(table, run_ids):
                    try:
                        tables.append(self._read_checked(name, table, run_ids, columns))
                    except FileNotFoundError:
                        raise
                    except (OSError, pa.ArrowException, KeyError) as error:
                        why = str(error.args[0] if error.args else error).splitlines()[0]
                        skipped.append(f"{self.storage}/{name}: not a table of {table} ({why})")
            except FileNotFoundError:
                continue  # another process merged it into a larger file
            return tables, skipped

    def _read_checked(
        self, name: str, table: Table, run_ids: Collection[str] | None, columns: Sequence[str] | None
    ) -> pa.Table:
        """The rows of one file.

        Raises:
            KeyError: it lacks a column that every such file has, or names a run as none can be named.
        """
        filters = None if run_ids is None else [("run_id", "in", set(run_ids))]
        with self.storage.open(name) as file:
            present = pq.read_schema(file).names
            missing = [column for column in REQUIRED[table] if column not in present]
            if missing:
                raise KeyError(f"no column {missing[0]}")
            wanted = columns and [column for column in columns if column in present]
            found = pq.read_table(file, filters=filters, columns=wanted)
        for run_id in found["run_id"].unique().to_pylist():
            if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
                raise KeyError(f"{run_id!r} is no run_id")
        return found

    def _empty(self, table: Table, skipped: list[str]) -> EmptyTableError:
        if skipped:
            return EmptyTableError(f"no {table} can be read: {'; '.join(skipped)}; delete and sweep again", skipped)
        if not self.storage.is_there():
            return EmptyTableError(f"there is no store {self}; make it with: rdbench sweep --store {self}", [])
        return EmptyTableError(f"{self} holds no {table}; fill it with: rdbench sweep --store {self}", [])

    def finished(self) -> set[str]:
        """The ids of the runs that have a row, less those that failed: these are worth another try."""
        try:
            runs = self.read("runs", columns=("run_id", "status", "created_at")).frame
        except EmptyTableError:
            return set()
        return set(runs.loc[runs["status"] != "failed", "run_id"])

    def compact(self) -> None:
        """Merge files of one run into files of many, so that ten thousand runs are read in a second.

        A merged file is there whole before what it holds is deleted, and a row that is met twice counts once, so a
        reader sees every run at every moment, and so it is after a crash.
        """
        for table in TABLES:
            single = [name for name in self._files(table) if COMPACTED not in name]
            for start in range(0, len(single), RUNS_A_FILE):
                self._merge(table, single[start : start + RUNS_A_FILE])

    def _merge(self, table: Table, names: Sequence[str]) -> None:
        tables, merged = [], []
        for name in names:
            try:
                tables.append(self._read_checked(name, table, None, None))
            except (OSError, pa.ArrowException, KeyError):
                continue  # left where it is, for a reader to name
            merged.append(name)
        if len(merged) < 2:
            return
        self.write_compacted(table, pa.concat_tables(tables, promote_options="permissive"))
        for name in merged:
            self.storage.delete(name)

    def write_compacted(self, table: Table, rows: pa.Table) -> None:
        """Keep rows of many runs in one file, named by what it holds."""
        content = _serialized(rows)
        name = hashlib.sha256(content).hexdigest()[:16]
        self.storage.write(f"{table}/{COMPACTED}{name}.parquet", content)

    def checkpoint(self, run_id: str) -> str:
        """The name under which the weights of a run lie."""
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
        except (OSError, SafetensorError) as error:
            raise UserError(f"cannot read the checkpoint {self}/{name}: {error}; do the run again") from None

    def _files(self, table: Table, run_ids: Collection[str] | None = None) -> list[str]:
        """The files of a table, less those of one run that is not asked for."""
        names = self.storage.names(table, ".parquet")
        if run_ids is None:
            return names
        wanted = {f"{table}/{run_id}.parquet" for run_id in run_ids}
        return [name for name in names if COMPACTED in name or name in wanted]


class News:
    """Which runs have got a row, or a newer one, since it was made."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.before = store.storage.modified("runs")
        self.compacted: set[str] = set()

    def finished(self, run_ids: Collection[str]) -> set[str]:
        """Those of ``run_ids`` that have."""
        now = self.store.storage.modified("runs")
        for name in now:
            if COMPACTED in name and name not in self.before:
                with self.store.storage.open(name) as file:
                    self.compacted.update(pq.read_table(file, columns=["run_id"])["run_id"].to_pylist())
                self.before[name] = now[name]
        names = {run_id: f"runs/{run_id}.parquet" for run_id in run_ids}
        written = {run_id for run_id, name in names.items() if now.get(name) not in (None, self.before.get(name))}
        return written | self.compacted & set(run_ids)


def _why(error: OSError) -> str:
    return error.strerror or str(error).splitlines()[0]


def _dated(columns: Mapping[str, Column], row: Mapping[str, Any]) -> Mapping[str, Column]:
    """Columns with the time of writing, by which the newest rows of a run are known in every table."""
    if "created_at" not in row or not columns:
        return columns
    return {**columns, "created_at": [row["created_at"]] * len(columns["run_id"])}


def _parquet(table: Table, columns: Mapping[str, Column]) -> memoryview:
    fields = [pa.field(name, SCHEMAS[table].get(name, OTHERS[table])) for name in columns]
    return _serialized(pa.table(dict(columns), schema=pa.schema(fields)))


def _serialized(table: pa.Table) -> memoryview:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    return memoryview(buffer.getvalue())
