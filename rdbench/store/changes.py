"""Changes to the tables of a store: compact them, add columns, remove runs.

Each change holds the claim on the tables, so that nothing is lost between reading and writing them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rdbench.errors import UserError
from rdbench.store.changing import until_held
from rdbench.store.claims import Claims, owners
from rdbench.store.columns import TABLES, Table, column_type
from rdbench.store.current import (
    EARLIEST,
    NO_STATUS,
    Writing,
    choose_current,
    counting,
    date_after,
    deciding,
    marks,
)
from rdbench.store.files import CHECKPOINTS, cannot_write
from rdbench.store.parquet import COMPACTED, UNREADABLE, Survey, files, read_checked, survey
from rdbench.store.plans import strike
from rdbench.store.schema import MEASURES, Column, joined, serialized, with_column
from rdbench.store.store import Store
from rdbench.store.unfinished import states_of

RUNS_A_FILE = 1000


def compact(store: Store) -> None:
    """Rewrite a store in few files: each run is there once, and all files of a table have the same columns.

    A new file is whole before the files that it replaces are deleted, and readers count a repeated row once. So a
    reader sees every run at every moment, also after a crash.

    Raises:
        UserError: the store cannot be written.
    """

    def change() -> None:
        with store.changing() as held:
            compact_claimed(held)

    try:
        until_held(change)
    except OSError as error:
        raise cannot_write(store, error) from None


def compact_claimed(store: Store) -> None:
    """Compact for a holder of the claim on the tables; do nothing if a file of ``runs`` is unreadable."""
    surveyed, unread = _survey(store, "runs")
    if unread:
        return
    writings = choose_current(row for found in surveyed for row in found.writings)
    for table in TABLES:
        if table != "runs":
            surveyed, _ = _survey(store, table)
        _compact_table(store, table, surveyed, writings)


def _survey(store: Store, table: Table) -> tuple[list[Survey], bool]:
    """The contents of a table's files, compacted files first, and whether any file is unreadable."""
    found, unread = [], False
    for name in sorted(files(store.storage, table), key=lambda name: COMPACTED not in name):
        try:
            found.append(survey(store.storage, name, table))
        except UNREADABLE:
            unread = True  # left where it is, for a reader to name
    return found, unread


def _compact_table(store: Store, table: Table, surveyed: Sequence[Survey], writings: Mapping[str, Writing]) -> None:
    """Rewrite the files that hold one run, lack a column that others have, or hold rows that do not count."""
    for found in surveyed:
        if not found.writings:  # a run that was not measured leaves an empty file
            _delete(store, found)
    holding = [found for found in surveyed if found.writings]
    if not holding:
        return
    schema = joined([found.schema.empty_table() for found in holding]).schema
    chosen = marks(table, (mark for found in holding for mark in _marks(found)), writings)
    keeper = {run_id: found.name for found in holding for run_id, *mark in _marks(found) if chosen[run_id] == (*mark,)}
    kept: dict[str, set[str]] = {found.name: set() for found in holding}
    for run_id, name in keeper.items():
        kept[name].add(run_id)
    alone = sum(COMPACTED not in found.name for found in holding) == 1

    def is_compact(found: Survey) -> bool:
        whole = len(kept[found.name]) == len(found.writings) and found.stored.equals(schema)
        return whole and (alone or COMPACTED in found.name)

    for group in _groups([found for found in holding if not is_compact(found)]):
        _rewrite(store, table, group, kept, schema, writings)


def _rewrite(
    store: Store,
    table: Table,
    group: Sequence[Survey],
    kept: Mapping[str, set[str]],
    schema: pa.Schema,
    writings: Mapping[str, Writing],
) -> None:
    """Write the rows of several files, as far as ``kept`` names their runs, into one new file."""
    tables, read = [schema.empty_table()], []
    for found in group:
        try:
            rows = read_checked(store.storage, found.name, table)
        except UNREADABLE:
            continue  # left where it is, for a reader to name
        tables.append(rows.filter(pc.is_in(rows["run_id"], pa.array(kept[found.name], pa.string()))))
        read.append(found)
    rows = joined(tables)
    rows = rows.filter(pa.array(counting(table, deciding(table, rows).to_pandas(), writings)))
    if len(rows):
        store.write_compacted(table, rows)
    for found in read:
        _delete(store, found)


def _delete(store: Store, found: Survey) -> None:
    """Delete a file, unless an older rdbench wrote it anew since it was read."""
    if store.storage.stamp(found.name) == found.stamp:
        store.storage.delete(found.name)


def _marks(found: Survey) -> Iterator[tuple[str, str, str]]:
    for run_id, status, created_at, _ in found.writings:
        yield run_id, created_at or EARLIEST, status or NO_STATUS


def _groups(surveyed: Sequence[Survey]) -> Iterator[list[Survey]]:
    """The files in groups of at most ``RUNS_A_FILE`` runs each."""
    group: list[Survey] = []
    for found in surveyed:
        if group and sum(len(other.writings) for other in (*group, found)) > RUNS_A_FILE:
            yield group
            group = []
        group.append(found)
    if group:
        yield group


def extend(
    store: Store,
    run_id: str,
    columns: Mapping[str, Any],
    per_image: Mapping[str, Column],
    measured: Mapping[str, Any] | None = None,
) -> None:
    """Add columns to the row of a run, and to the rows of its test images.

    ``measured`` is the row as it was when the columns were measured.

    Raises:
        UserError: the row has other numbers now, or the store cannot be read or written.
    """
    added: dict[Table, Mapping[str, Column]]
    added = {"examples": per_image, "runs": {name: [value] for name, value in columns.items()}}
    with store.changing() as held:
        now = date_after(held.current([run_id]).get(run_id))
        found = {table: held.arrow(table, [run_id]) for table in added}
        row = found["runs"]
        if row is not None and measured and any(row[name][0].as_py() != measured[name] for name in MEASURES):
            raise UserError(f"run {run_id} was done again while it was measured; the same command measures it anew")
        for table, rows in found.items():
            if rows is None:
                continue
            for name, value in {**added[table], "created_at": [now] * len(rows)}.items():
                rows = with_column(rows, name, pa.array(value, column_type(table, name)))
            try:
                held.storage.write_new(f"{table}/{run_id}.", serialized(rows))
            except OSError as error:
                raise cannot_write(store, error) from None


def remove(store: Store, run_ids: Collection[str]) -> None:
    """Delete runs and everything that belongs to them: the rows in ``runs`` first, the plans last.

    Raises:
        UserError: another process is doing one of them, or the store cannot be written.
    """
    gone = set(run_ids)
    try:
        with store.changing() as held:
            for run_id, owner in owners(held.storage).items():
                if run_id in gone:
                    raise UserError(f"run {run_id} is being done by process {owner.pid} on {owner.host}; stop it first")
            for table in TABLES:
                _remove_rows(held, table, gone)
            for name in held.storage.names(CHECKPOINTS):
                if name.removeprefix(f"{CHECKPOINTS}/").partition(".")[0] in gone:
                    held.storage.delete(name)
            strike(held.storage, gone)
    except OSError as error:
        raise cannot_write(store, error) from None


def clear_states(store: Store, claims: Claims) -> None:
    """Delete the states of finished runs: a process may be killed after it wrote a run's row and before this step.

    Raises:
        UserError: the store cannot be read or written.
    """
    states = states_of(store.storage)
    for run_id in set(states) & store.finished() if states else ():
        if claims.take([run_id]):  # else another process is doing it again
            try:
                for name in states[run_id]:
                    store.storage.delete(name)
            except OSError as error:
                raise cannot_write(store, error) from None
            claims.release([run_id])


def _remove_rows(store: Store, table: Table, gone: Collection[str]) -> None:
    for name in files(store.storage, table, gone):
        if COMPACTED in name:
            try:
                rows = read_checked(store.storage, name, table)
            except UNREADABLE:
                continue  # left where it is, for a reader to name
            kept = rows.filter(pc.invert(pc.is_in(rows["run_id"], pa.array(gone, pa.string()))))
            if len(kept) == len(rows):
                continue
            if len(kept):
                store.write_compacted(table, kept)
        store.storage.delete(name)
