"""What became of each run of a store, and what it cost."""

import json
from collections.abc import Collection

import pandas as pd

from rdbench.analysis.frame import labels, sort_runs
from rdbench.analysis.report.cells import Cells
from rdbench.errors import UserError, plain
from rdbench.store.claims import owners
from rdbench.store.plans import announced
from rdbench.store.status import Status
from rdbench.store.store import EmptyTableError, Store
from rdbench.store.unfinished import unfinished

HEADERS = ["run_id", "run", "dataset", "status", "train s", "eval s", "what"]


def rows_of(store: Store) -> pd.DataFrame:
    """The rows of a store, none if there is none yet."""
    try:
        return store.read("runs").frame
    except EmptyTableError as error:
        if error.skipped or not store.storage.is_there():
            raise
        return pd.DataFrame({"run_id": [], "status": []})


def choose(store: Store, run_ids: Collection[str], status: str | None) -> pd.DataFrame:
    """The rows of runs by their ids, of which the beginning is enough, and by status.

    Raises:
        UserError: an id is that of no run or of several, or no run has the status.
    """
    rows = rows_of(store)
    found = list(rows["run_id"])
    whole = []
    for given in run_ids:
        meant = [run_id for run_id in found if run_id.startswith(given)]
        if len(meant) != 1:
            raise UserError(
                f"{given} begins the ids of {len(meant)} runs in {store}; expected one, see: rdbench runs {store}"
            )
        whole += meant
    if whole:
        rows = rows[rows["run_id"].isin(whole)]
    if status is not None:
        rows = rows[rows["status"] == status]
    if rows.empty:
        raise UserError(f"no run in {store} is {status or 'there'}; see: rdbench runs {store}")
    return rows


def listing(store: Store, status: str | None = None) -> tuple[Cells, str]:
    """A table of all runs, also of those that are being done or are missing; and what they cost in a line.

    Raises:
        EmptyTableError: there are none.
    """
    rows = rows_of(store)
    cells = []
    counts: dict[str, int] = {}
    trained = evaluated = 0.0

    def add(state: str, row: list[str]) -> None:
        counts[state] = counts.get(state, 0) + 1
        if status in (None, state):
            cells.append(row)

    rows = sort_runs(rows.assign(label=labels(rows))) if len(rows) else rows
    for row in rows.to_dict("records"):
        seconds = [float(row.get(name, 0)) for name in ("train_seconds", "eval_seconds")]
        seconds = [value if value == value else 0.0 for value in seconds]
        trained, evaluated = trained + seconds[0], evaluated + seconds[1]
        words = [row["run_id"], row["label"], json.loads(row["config"])["dataset"], row["status"]]
        add(
            row["status"],
            [
                *map(plain, words),
                *(f"{value:.0f}" for value in seconds),
                plain(row["error"] if isinstance(row["error"], str) else ""),
            ],
        )
    begun, working = unfinished(store.storage), owners(store.storage)
    planned = announced(store.storage)
    known = set(rows.loc[rows["status"] != Status.FAILED, "run_id"])
    for run_id in dict.fromkeys((*working, *begun, *planned)):
        if run_id in known and run_id not in working:
            continue
        owner = working.get(run_id)
        state = Status.RUNNING if owner else Status.UNFINISHED if run_id in begun else Status.MISSING
        if state == Status.MISSING and run_id in set(rows["run_id"]):
            continue
        what = f"by process {owner.pid} on {owner.host} since {owner.since}" if owner else ""
        add(state, [run_id, plain(planned.get(run_id, "")), "", state, "", "", plain(what)])
    if not counts:
        raise store.empty("runs", [])
    title = f"{sum(counts.values())} runs: " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    cost = f"{trained:,.0f} s of training and {evaluated:,.0f} s of evaluation"
    left = frozenset({"run_id", "run", "dataset", "status", "what"})
    return Cells(plain(f"{store}: {title}"), HEADERS, cells, left=left), cost
