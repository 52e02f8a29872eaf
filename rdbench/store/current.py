"""The current row of a run: the one that counts where a store holds several.

An answer (any status but ``failed``) beats a failure, whatever their dates. The exception is a failure of a run that
was done again on request after that answer: its column ``replaces`` has the date of the row that it replaces. Among
answers, and among failures, the latest counts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rdbench.store.columns import Table
from rdbench.store.schema import KEYS
from rdbench.store.status import Status

if TYPE_CHECKING:
    import pandas as pd

WRITING = ("run_id", "status", "created_at", "replaces")
"""The columns of ``runs`` that decide which row counts."""

DATE = re.compile(r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(\+00:00)?")
EARLIEST, LATEST = "", "~"
"""Texts that sort before, and after, every date."""

NO_STATUS = ""
"""Stands for the status in tables that have no such column."""

Mark = tuple[str, str]
"""The date and the status of a row."""


class Writing(NamedTuple):
    """A row of a run: when it was written (None in the oldest stores), its status, the date of the row it replaces."""

    created_at: str | None
    status: str
    replaces: str | None = None

    @property
    def is_answer(self) -> bool:
        """Whether the run came to an end; a failed run is tried again."""
        return self.status != Status.FAILED

    @property
    def date(self) -> str:
        """When it was written, as a text that sorts by time."""
        return self.created_at or EARLIEST


def finished(writings: Mapping[str, Writing]) -> set[str]:
    """The ids of the runs that have an answer."""
    return {run_id for run_id, writing in writings.items() if writing.is_answer}


def current(tables: Sequence[pa.Table]) -> dict[str, Writing]:
    """The current writing of each run, from rows of ``runs`` with the columns ``WRITING``."""
    return choose_current(
        row for found in tables for row in zip(*(_cells(found, name) for name in WRITING), strict=True)
    )


def choose_current(rows: Iterable[tuple[Any, ...]]) -> dict[str, Writing]:
    """The current writing of each run, from rows given as cells of the columns ``WRITING``."""
    chosen: dict[str, Writing] = {}
    failures: list[tuple[str, Writing]] = []
    for run_id, status, created_at, replaces in rows:
        new = Writing(created_at, status, replaces)
        if not new.is_answer:
            failures.append((run_id, new))
        elif run_id not in chosen or new.date >= chosen[run_id].date:
            chosen[run_id] = new
    for run_id, failure in sorted(failures, key=lambda item: item[1].date):
        old = chosen.get(run_id)
        if old is None or not old.is_answer or (failure.replaces is not None and failure.replaces >= old.date):
            chosen[run_id] = failure
    return chosen


def date_after(replaced: Writing | None) -> str:
    """The date for a row written now: later than the row it replaces, even if the clock is behind."""
    now = datetime.now(UTC)
    if replaced is not None and replaced.created_at is not None:
        before = datetime.fromisoformat(replaced.created_at).replace(tzinfo=UTC)
        now = max(now, before + timedelta(microseconds=1))
    return now.isoformat(timespec="microseconds")


def without_false_dates(rows: pa.Table) -> pa.Table:
    """The rows with ``created_at`` set to None where it is no valid date, so that such a row counts as the oldest."""
    if "created_at" not in rows.column_names:
        return rows
    dates = rows["created_at"]
    false = [text for text in pc.unique(dates).to_pylist() if text is not None and not _is_date(text)]
    if not false:
        return rows
    honest = pc.if_else(pc.is_in(dates, pa.array(false, pa.string())), None, dates)
    return rows.set_column(rows.column_names.index("created_at"), "created_at", honest)


def marks(table: Table, rows: Iterable[tuple[str, str, str]], writings: Mapping[str, Writing]) -> dict[str, Mark]:
    """The date and status of the rows that count in a table, by run; ``rows`` are (run id, date, status).

    In ``runs`` the current row counts. In the other tables the latest rows dated no later than it count, since the row
    in ``runs`` is written last.
    """
    if table == "runs":
        return {run_id: (writing.date, writing.status) for run_id, writing in writings.items()}
    dates: dict[str, list[str]] = {}
    for run_id, date, _ in rows:
        dates.setdefault(run_id, []).append(date)
    chosen = {}
    for run_id, found in dates.items():
        limit = writings[run_id].date if run_id in writings else LATEST
        chosen[run_id] = (max([date for date in found if date <= limit] or found), NO_STATUS)
    return chosen


def deciding(table: Table, rows: pa.Table) -> pa.Table:
    """The columns that decide whether rows count: their keys, status and dates."""
    return rows.select([name for name in dict.fromkeys((*KEYS[table], *WRITING)) if name in rows.column_names])


def counting(table: Table, keys: "pd.DataFrame", writings: Mapping[str, Writing]) -> NDArray[np.bool_]:
    """A mask of the rows that count, each once; ``keys`` are the columns that ``deciding`` gives."""
    found = keys[["run_id"]].assign(date=EARLIEST, status=keys["status"] if table == "runs" else NO_STATUS)
    if "created_at" in keys:
        found["date"] = keys["created_at"].fillna(EARLIEST)
    chosen = marks(table, found.drop_duplicates().itertuples(index=False, name=None), writings)
    dates, statuses = (found["run_id"].map({key: mark[part] for key, mark in chosen.items()}) for part in (0, 1))
    counts = ((found["date"] == dates) & (found["status"] == statuses)).to_numpy(copy=True)
    counts[counts] = ~keys[counts].duplicated(list(KEYS[table]), keep="last").to_numpy()
    return counts


def _cells(found: pa.Table, name: str) -> list[Any]:
    return found[name].to_pylist() if name in found.column_names else [None] * len(found)


def _is_date(text: str) -> bool:
    if not DATE.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
