"""Several stores into one."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rdbench.errors import UserError
from rdbench.store.current import date_after
from rdbench.store.files import PLANS, cannot_write
from rdbench.store.schema import TABLES, known, with_column
from rdbench.store.status import Status
from rdbench.store.store import Store
from rdbench.store.unfinished import states_of

CIRCUMSTANCES = frozenset((
    "sweep", "dataset", "config", "created_at", "command", "evaluated_with", "device", "threads", "error",
    "rdbench_version", "torch_version", "git_commit", "train_seconds", "eval_seconds", "images_per_second",
    "peak_memory_bytes", "micro_batch",
))  # fmt: skip
"""Columns in which two answers to the same description may differ and be equal."""

SHOWN = ("status", "rate", "distortion", "elbo")


def merge(stores: Sequence[Store], into: Store) -> tuple[int, int]:
    """Bring the runs of ``stores`` into another, which may hold some already; how many came, and how many it holds.

    Equal runs count once; of a run that failed in one store and not in another, the answer counts. What is unfinished
    comes along.

    Raises:
        UserError: two stores answer the same description differently, or a table cannot be read.
    """
    for store in stores:
        if not store.storage.is_there():
            raise UserError(f"there is no store {store}; merge takes folders or URLs of stores")
    sources = [into, *stores] if into.storage.is_there() else list(stores)
    chosen: dict[str, tuple[Store, dict[str, Any]]] = {}
    for store in sources:
        for row in _rows(store):
            run_id = row["run_id"]
            chosen[run_id] = _better(run_id, chosen[run_id], (store, row)) if run_id in chosen else (store, row)
    into.prepare()
    came = 0
    try:
        for store in stores:
            mine = [run_id for run_id, (source, _) in chosen.items() if source is store]
            _copy(store, into, mine, set(chosen))
            came += len(mine)
    except OSError as error:
        raise cannot_write(into, error, "what came is whole; the same command does the rest") from None
    return came, len(chosen)


def _rows(store: Store) -> list[dict[str, Any]]:
    rows = store.arrow("runs")
    return [] if rows is None else rows.to_pylist()


def _better(
    run_id: str, one: tuple[Store, dict[str, Any]], other: tuple[Store, dict[str, Any]]
) -> tuple[Store, dict[str, Any]]:
    """Of two answers the one that did not fail, else the one that says more, else the first."""
    (_, ours), (_, theirs) = one, other
    if Status.FAILED in (ours["status"], theirs["status"]):
        return other if ours["status"] == Status.FAILED else one
    for name in sorted(set(ours) & set(theirs) - CIRCUMSTANCES):
        if known(ours[name]) and known(theirs[name]) and ours[name] != theirs[name]:
            shown = " against ".join(
                f"{store}: " + ", ".join(f"{key} {_words(row.get(key))}" for key in dict.fromkeys((*SHOWN, name)))
                for store, row in (one, other)
            )
            raise UserError(
                f"run {run_id} has two answers, which differ in {name}: {shown}; remove one of them with "
                f"rdbench runs STORE rm {run_id}"
            )
    return other if sum(map(known, theirs.values())) > sum(map(known, ours.values())) else one


def _copy(store: Store, into: Store, run_ids: Sequence[str], finished: set[str]) -> None:
    """Tables last, rows of ``runs`` last of all: a run that has a row has everything else."""
    for name in store.storage.names(PLANS, ".json"):
        into.storage.write(name, store.storage.read(name))
    for run_id in run_ids:
        if store.storage.exists(name := store.checkpoint(run_id)):
            into.storage.write(name, store.storage.read(name))
    for name, run_id in states_of(store.storage):
        if run_id not in finished and not into.storage.exists(name):
            with suppress(FileNotFoundError):  # its run has ended meanwhile
                into.storage.write(name, store.storage.read(name))
    if run_ids:
        there = into.current()
        now = date_after(max(there.values(), key=lambda writing: writing.date, default=None))
        for table in reversed(TABLES):
            rows = store.arrow(table, run_ids)
            if rows is not None:
                into.write_compacted(table, _dated(rows, pa.array(there, pa.string()), now))


def _dated(rows: pa.Table, run_ids: pa.Array, now: str) -> pa.Table:
    """Rows that are written now as far as they are of ``run_ids``: what they are to replace is older then."""
    dates = rows["created_at"] if "created_at" in rows.column_names else pa.nulls(len(rows), pa.string())
    return with_column(rows, "created_at", pc.if_else(pc.is_in(rows["run_id"], run_ids), now, dates))


def _words(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
