"""Measure finished runs of a store again, one after the other, and show how far it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from rdbench.execute.display import Display
from rdbench.execute.output import unstoppable
from rdbench.execute.task import Settings
from rdbench.runs.device import pick_device
from rdbench.runs.judging import Judge, judge_run
from rdbench.runs.remeasuring import is_measured, reevaluate
from rdbench.store.changes import compact
from rdbench.store.store import Store

Row = Mapping[str, Any]

SHOWN = re.compile(r"((train|valid|softened)_)?iwae_\d+|ais_\d+(_gap)?|probe_(information|error)")
"""The columns that the line of a run shows."""


@dataclass(frozen=True)
class Wanted:
    """What to measure: IWAE-k of a split for each k of ``iwae``, and the columns of the judges."""

    iwae: Sequence[int]
    split: str
    judges: Sequence[Judge]

    def is_done(self, row: Row) -> bool:
        """Whether a row has all of it already."""
        return is_measured(row, self.iwae, self.split) and all(judge.is_done(row) for judge in self.judges)


@unstoppable()
def remeasure(store: Store, rows: Sequence[Row], wanted: Wanted, settings: Settings) -> int:
    """Measure the runs of these rows that lack something, and add the columns; return how many lacked something.

    Raises:
        UserError: a run was trained on other data, has no weights, or cannot be measured so.
    """
    todo = [row for row in rows if not wanted.is_done(row)]
    try:
        _measure_each(store, todo, wanted, settings)
    finally:  # also after an error or an interruption: the runs before it have new columns
        compact(store)
    return len(todo)


def _measure_each(store: Store, todo: Sequence[Row], wanted: Wanted, settings: Settings) -> None:
    """Add what is wanted to each run; raises as ``remeasure``."""
    device = pick_device(settings.device)
    words = {row["run_id"]: f"{row['family']}  {row['run_id']}" for row in todo}
    with Display(len(todo), words, Console(), quiet=settings.quiet) as display:
        for row in todo:
            name = row["run_id"]
            display.begin(name)

            def progress(done: int, total: int, name: str = name) -> None:
                display.show(name, f"{wanted.split} split", done, total, "")

            def say(line: str, name: str = name) -> None:
                display.say(name, line)

            new: dict[str, Any] = {}
            if not is_measured(row, wanted.iwae, wanted.split):
                new |= reevaluate(store, row, wanted.iwae, wanted.split, device, settings.data_dir, progress)
            for judge in wanted.judges:
                if not judge.is_done(row):
                    new |= judge_run(judge, store, row, device, settings.data_dir, progress, say)
            display.finish(name, "  ".join(f"{key} {value:.3f}" for key, value in new.items() if SHOWN.fullmatch(key)))
