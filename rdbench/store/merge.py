"""Merge several stores into one."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from shlex import quote
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rdbench.errors import UserError
from rdbench.store.changes import clear_states, compact_claimed
from rdbench.store.claims import Claims, owners
from rdbench.store.columns import TABLES, Table
from rdbench.store.current import date_after
from rdbench.store.files import PLANS, cannot_read, cannot_write
from rdbench.store.rounding import in_float16
from rdbench.store.schema import KEYS, known, with_column
from rdbench.store.status import Status
from rdbench.store.store import Store
from rdbench.store.unfinished import NOWHERE, Progress, progress, states_of

CIRCUMSTANCES = frozenset((
    "sweep", "dataset", "config", "created_at", "command", "evaluated_with", "device", "threads", "error",
    "rdbench_version", "torch_version", "git_commit", "train_seconds", "eval_seconds", "images_per_second",
    "peak_memory_bytes", "micro_batch",
))  # fmt: skip
"""Columns that may differ between two rows of the same run without a contradiction."""

DRAWN = re.compile(
    r"(train|valid)_(?:rate|distortion|elbo|mutual_information|marginal_kl|active_units|rate_by_dimension)(_se)?"
)
"""Columns that belong together: one measurement of the training or validation split. Other draws give others."""

SHOWN = ("status", "rate", "distortion", "elbo")

FAMILY = ("dataset", "encoder", "decoder", "marginal")
"""Columns in which all runs of a family on a dataset agree."""


class Weights(StrEnum):
    """Which weights ``merge`` copies: of every run as they are, or of the best of each family, in float16."""

    ALL = "all"
    BEST = "best"


class Answer(NamedTuple):
    """A run's row, the store it comes from, and the stores that have further columns of it."""

    row: dict[str, Any]
    store: Store
    others: tuple[Store, ...] = ()


def merge(stores: Sequence[Store], into: Store, weights: Weights = Weights.ALL) -> tuple[int, int]:
    """Copy the runs of ``stores`` into another store; return how many were written and how many it holds.

    A run that several stores hold is kept once, with the columns of all. If it failed in one store and not in another,
    the answer counts. States of unfinished runs are copied too, and deleted when the run has an answer; with the best
    weights alone they are left out.

    Raises:
        UserError: two stores have contradicting answers of one run, or a table cannot be read.
    """
    for store in stores:
        if not store.storage.is_there():
            raise UserError(f"there is no store {store}; merge takes folders or URLs of stores")
    if not into.storage.is_there():
        _choose(stores)  # a contradiction is told before anything is made
    into.prepare()
    written = 0
    try:
        with into.changing() as held:  # from here on no other process writes an answer there
            sources = [into, *stores]
            chosen = _choose(sources)
            rounded = _best(chosen) if weights is Weights.BEST else None
            for store in sources:
                mine = {run_id: answer for run_id, answer in chosen.items() if answer.store is store}
                if store is into:
                    mine = {run_id: answer for run_id, answer in mine.items() if answer.others}
                else:
                    _copy_plans(store, held)
                    _copy_weights(store, held, mine, rounded)
                    if rounded is None:
                        _copy_states(store, held, set(chosen))
                _write_rows(store, held, mine)
                written += len(mine)
            compact_claimed(held)
        with Claims(into.storage) as claims:
            clear_states(into, claims)
    except OSError as error:
        raise cannot_write(into, error, "what was copied is whole; the same command does the rest") from None
    return written, len(chosen)


def _choose(stores: Sequence[Store]) -> dict[str, Answer]:
    """The answer of each run that one of these stores holds; raises as ``_united``."""
    chosen: dict[str, Answer] = {}
    for store in stores:
        for row in _rows(store):
            run_id, answer = row["run_id"], Answer(row, store)
            chosen[run_id] = _united(run_id, chosen[run_id], answer) if run_id in chosen else answer
    return chosen


def _rows(store: Store) -> list[dict[str, Any]]:
    rows = store.arrow("runs")
    return [] if rows is None else rows.to_pylist()


def _united(run_id: str, one: Answer, other: Answer) -> Answer:
    """Unite two answers: the one that did not fail; else the one with more columns, plus those only the other has.

    Of two measurements of a split one is kept, whole: of the training split one that has errors, if one has.

    Raises:
        UserError: they contradict each other.
    """
    if Status.FAILED in (one.row["status"], other.row["status"]):
        return other if one.row["status"] == Status.FAILED else one
    for name in sorted(set(one.row) & set(other.row) - CIRCUMSTANCES):
        if _contradict(name, one.row, other.row):
            raise _contradiction(run_id, name, one, other)
    base, beside = sorted((one, other), key=lambda answer: _known_of(answer.row), reverse=True)
    new = {name: value for name, value in beside.row.items() if known(value) and not known(base.row.get(name))}
    if not set(new) - CIRCUMSTANCES:
        return base
    return Answer(
        new | {name: value for name, value in base.row.items() if name not in new},
        base.store,
        (*base.others, beside.store, *beside.others),
    )


def _known_of(row: Mapping[str, Any]) -> tuple[bool, int]:
    """Whether a row has errors for the training split, and how many columns it has."""
    return known(row.get("train_elbo_se")), sum(map(known, row.values()))


def _contradict(name: str, row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows of a run contradict each other in a column, by more than other draws of z explain."""
    ours, theirs = row[name], other[name]
    if not (known(ours) and known(theirs)) or ours == theirs:
        return False
    drawn = DRAWN.fullmatch(name)
    if drawn is None:
        return True
    errors = [each.get(f"{drawn[1]}_elbo_se") for each in (row, other)]
    allowed = max((error for error in errors if error is not None and known(error)), default=0.0)
    if drawn[2] or not isinstance(ours, float):
        return not allowed
    return bool(abs(ours - theirs) > allowed)


def _contradiction(run_id: str, name: str, *answers: Answer) -> UserError:
    shown = " against ".join(
        f"{answer.store}: " + ", ".join(f"{key} {_words(answer.row.get(key))}" for key in dict.fromkeys((*SHOWN, name)))
        for answer in answers
    )
    return UserError(
        f"run {run_id} has two answers, which differ in {name}: {shown}; remove one of them with: "
        + " or: ".join(f"rdbench runs {quote(str(answer.store))} rm {run_id}" for answer in answers)
    )


def _best(answers: Mapping[str, Answer]) -> set[str]:
    """The run of highest ELBO of each family on each dataset, among those that ended well."""
    best: dict[tuple[Any, ...], dict[str, Any]] = {}
    for answer in answers.values():
        row = answer.row
        family = tuple(row.get(name) for name in FAMILY)
        if row["status"] == Status.OK and (family not in best or row["elbo"] > best[family]["elbo"]):
            best[family] = row
    return {row["run_id"] for row in best.values()}


# Plans, weights and states are copied before the tables: a run that has a row has everything else.


def _copy_plans(store: Store, into: Store) -> None:
    for name in store.storage.names(PLANS, ".json"):
        into.storage.write(name, _fetched(store, name))


def _copy_weights(store: Store, into: Store, run_ids: Collection[str], rounded: Collection[str] | None) -> None:
    """Copy the weights of runs as they are; or only those of the runs ``rounded``, in float16."""
    for run_id in run_ids if rounded is None else sorted(set(run_ids) & set(rounded)):
        name = store.checkpoint(run_id)
        if store.storage.exists(name):
            content = _fetched(store, name) if rounded is None else in_float16(store.load_weights(run_id))
            there = _fetched(into, name) if into.storage.exists(name) else b""
            if len(content) >= len(there):  # shorter ones are rounded ones
                into.storage.write(name, content)


def _copy_states(store: Store, into: Store, finished: set[str]) -> None:
    theirs, ours = states_of(store.storage), states_of(into.storage)
    for run_id in sorted(set(theirs) - finished - set(owners(into.storage))):
        _copy_state(store, into, theirs[run_id], ours.get(run_id, []))


def _copy_state(store: Store, into: Store, theirs: Collection[str], ours: Collection[str]) -> None:
    """Copy the state of an unfinished run if it is further along than the state that is there."""
    came, there = _contents(store, theirs), _contents(into, ours)
    if _furthest(came) > _furthest(there):
        for name, content in came.items():
            into.storage.write(name, content)
        for name in there.keys() - came.keys():
            into.storage.delete(name)


def _contents(store: Store, names: Collection[str]) -> dict[str, bytes]:
    contents = {}
    for name in names:
        with suppress(FileNotFoundError):  # the run has just ended
            contents[name] = _fetched(store, name)
    return contents


def _furthest(states: Mapping[str, bytes]) -> Progress:
    return max(map(progress, states.values()), default=NOWHERE)


def _write_rows(store: Store, into: Store, answers: Mapping[str, Answer]) -> None:
    """Write the rows of each run with the further columns of other stores; the rows of ``runs`` last."""
    if not answers:
        return
    there = into.current()
    now = date_after(max(there.values(), key=lambda writing: writing.date, default=None))
    beside: dict[Store, list[str]] = {}
    for run_id, answer in answers.items():
        for other in answer.others:
            beside.setdefault(other, []).append(run_id)
    for table in reversed(TABLES):
        rows = store.arrow(table, answers)
        if rows is None:
            continue
        for other, run_ids in beside.items():
            theirs = other.arrow(table, run_ids)
            rows = rows if theirs is None else _filled(table, rows, theirs, other)
        into.write_compacted(table, _dated(rows, pa.array(there, pa.string()), now))


def _filled(table: Table, rows: pa.Table, theirs: pa.Table, other: Store) -> pa.Table:
    """The rows, with empty cells and missing columns filled from another store's rows of the same keys.

    Raises:
        UserError: the two stores disagree.
    """
    import pandas as pd  # here, so that planning a sweep does not load it

    keys = list(KEYS[table])
    ours, others = (pd.MultiIndex.from_frame(found.select(keys).to_pandas()) for found in (rows, theirs))
    places = others.get_indexer(ours)
    places = pa.array(places, mask=places < 0)
    for name in theirs.column_names:
        came = theirs[name].take(places)
        if name not in rows.column_names:
            rows = rows.append_column(name, came)
            continue
        mine = rows[name]
        unknown = pc.is_null(mine, nan_is_null=True)
        both = pc.invert(pc.or_(unknown, pc.is_null(came, nan_is_null=True)))
        if table != "runs" and name not in CIRCUMSTANCES and mine.filter(both) != came.filter(both):
            raise UserError(f"{other}: {name} in {table} differs between stores for the same runs; merge only one")
        rows = with_column(rows, name, pc.if_else(unknown, came, mine))
    return rows


def _fetched(store: Store, name: str) -> bytes:
    """A file of a store.

    Raises:
        UserError: it cannot be read, or it is not a file that a store can have.
    """
    try:
        return store.storage.read(name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise cannot_read(f"{store}/{name}", error) from None


def _dated(rows: pa.Table, run_ids: pa.Array, now: str) -> pa.Table:
    """The rows, with those of ``run_ids`` dated now, so that they are later than the rows that they replace."""
    dates = rows["created_at"] if "created_at" in rows.column_names else pa.nulls(len(rows), pa.string())
    return with_column(rows, "created_at", pc.if_else(pc.is_in(rows["run_id"], run_ids), now, dates))


def _words(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
