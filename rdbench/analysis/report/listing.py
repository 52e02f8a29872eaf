"""The status and cost of each run of a store."""

from collections.abc import Collection
from shlex import quote

import pandas as pd

from rdbench.analysis.frame import labels, sort_runs
from rdbench.analysis.report.cells import Cells
from rdbench.errors import UserError, counted, plain
from rdbench.store.claims import owners
from rdbench.store.plans import announced
from rdbench.store.row_checks import read_config
from rdbench.store.status import Status
from rdbench.store.store import Store
from rdbench.store.unfinished import unfinished

HEADERS = ["run_id", "run", "dataset", "status", "train s", "eval s", "what"]


def without_answer(store: Store, rows: pd.DataFrame) -> dict[str, Status]:
    """The status of each run without an answer: running, unfinished or missing."""
    begun, working, found = unfinished(store.storage), owners(store.storage), set(rows["run_id"])
    states = {run_id: Status.MISSING for run_id in announced(store.storage) if run_id not in found}
    states |= dict.fromkeys(sorted(begun - found), Status.UNFINISHED)
    return states | dict.fromkeys(working, Status.RUNNING)


def choose(store: Store, run_ids: Collection[str], status: str | None) -> list[str]:
    """Find run ids by their beginnings and by status, also of runs that have no row.

    Raises:
        UserError: a beginning fits no run or several, or no run has the status.
    """
    rows = store.rows_or_none()
    states = without_answer(store, rows)
    having = {run_id for run_id in states if status in (None, states[run_id])}
    having |= set(rows["run_id"] if status is None else rows.loc[rows["status"] == status, "run_id"])
    found = [*rows["run_id"], *(run_id for run_id in states if run_id not in set(rows["run_id"]))]
    whole = []
    for given in run_ids:
        meant = [run_id for run_id in found if run_id.startswith(given)]
        if len(meant) != 1:
            raise UserError(
                f"{given} begins the ids of {counted(len(meant), 'run')} in {store}; expected one, "
                f"see: rdbench runs {quote(str(store))}"
            )
        whole += meant
    chosen = [run_id for run_id in (whole or found) if run_id in having]
    if not chosen:
        raise UserError(f"no run in {store} is {status or 'there'}; see: rdbench runs {quote(str(store))}")
    return chosen


def listing(store: Store, status: str | None = None) -> tuple[Cells, str]:
    """A table of all runs, also running and missing ones; and a line with their cost.

    Raises:
        EmptyTableError: there are none.
    """
    rows = store.rows_or_none()
    cells = []
    counts: dict[str, int] = {}
    trained = evaluated = 0.0

    def add(state: str, row: list[str]) -> None:
        counts[state] = counts.get(state, 0) + 1
        if status in (None, state):
            cells.append(row)

    working, planned, states = owners(store.storage), announced(store.storage), without_answer(store, rows)

    def what(run_id: str, otherwise: str) -> str:
        owner = working.get(run_id)
        return plain(f"by process {owner.pid} on {owner.host} since {owner.since}" if owner else otherwise)

    rows = sort_runs(rows.assign(label=labels(rows))) if len(rows) else rows
    for row in rows.to_dict("records"):
        seconds = [float(row.get(name, 0)) for name in ("train_seconds", "eval_seconds")]
        seconds = [value if value == value else 0.0 for value in seconds]
        trained, evaluated = trained + seconds[0], evaluated + seconds[1]
        state = states.pop(row["run_id"], row["status"])
        words = map(plain, (row["run_id"], row["label"], read_config(row["config"]).dataset, state))
        error = row["error"] if isinstance(row["error"], str) else ""
        add(state, [*words, *(f"{value:.0f}" for value in seconds), what(row["run_id"], error)])
    for run_id, state in states.items():
        add(state, [run_id, plain(planned.get(run_id, "")), "", state, "", "", what(run_id, "")])
    if not counts:
        raise store.empty("runs", [])
    title = f"{counted(sum(counts.values()), 'run')}: " + ", ".join(
        f"{count} {state}" for state, count in sorted(counts.items())
    )
    cost = f"{trained:,.0f} s of training and {evaluated:,.0f} s of evaluation"
    left = frozenset({"run_id", "run", "dataset", "status", "what"})
    return Cells(plain(f"{store}: {title}"), HEADERS, cells, left=left), cost
