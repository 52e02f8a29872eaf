"""The runs of a sweep that are still to do, handed out one by one and shared with other sweeps on the same store."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rdbench.config.plugins import plugin_files
from rdbench.config.run_config import RunConfig
from rdbench.errors import counted
from rdbench.execute.finished_elsewhere import News
from rdbench.execute.stopping import Deadline
from rdbench.execute.task import Task
from rdbench.runs.keeping import CHECKPOINT_SECONDS
from rdbench.store.claims import Claims
from rdbench.store.store import Store


@dataclass(frozen=True)
class Limits:
    """When a sweep ends before all its runs are done, None being never; and how often it keeps what a run has done."""

    seconds: float | None = None
    runs: int | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS


class Work:
    """A queue of tasks; a run is claimed when it is taken, and released once its record is kept.

    A run that another process has claimed is asked for again until it is there, or free.
    """

    def __init__(
        self,
        pending: Mapping[str, RunConfig],
        sweep: str,
        store: Store,
        claims: Claims,
        device: str,
        data_dir: Path | None,
        limits: Limits,
        news: News,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.pending = deque(_together(pending))
        self.sweep = sweep
        self.store = store
        self.claims = claims
        self.device = device
        self.data_dir = data_dir
        self.limits = limits
        self.say = say
        self.waits = False
        self.deadline = Deadline(limits.seconds)
        self.shortest_start = 0.0
        self.begun = 0
        self.news = news
        self.done_elsewhere: set[str] = set()
        self.stopped = False

    def take(self) -> Task | None:
        """The next task that no other process does; None while all that are left are with others.

        Raises:
            StopIteration: all are done, or no more is to be begun.
        """
        full = self.limits.runs is not None and self.begun >= self.limits.runs
        if not self.pending or full or self.stopped or not self.deadline.has(self.shortest_start):
            raise StopIteration
        for _ in range(len(self.pending)):
            runs = self.pending.popleft()
            if self.claims.take(runs):
                self.done_elsewhere |= self.news.finished(runs)
                if self.done_elsewhere >= set(runs):
                    self.claims.release(runs)
                    continue
                self.begun += len(runs)
                device, ends = self.device, self.deadline.clock
                return Task(
                    runs,
                    self.sweep,
                    self.store.storage.location,
                    device,
                    self.data_dir,
                    ends,
                    self.limits.checkpoint_seconds,
                    plugin_files(),
                )
            self.pending.append(runs)
        if not self.pending:
            raise StopIteration
        if not self.waits:
            self.waits = True
            self.say(f"{counted(len(self.pending), 'run')} being done by other sweeps on this store; waiting")
        return None

    def put_back(self, task: Task) -> None:
        """Take back a task whose runs another process has taken over; it is waited for like those of others."""
        self.begun -= len(task.runs)
        self.pending.append(task.runs)

    def started(self, seconds: float) -> None:
        """A task took so long to begin its work, as the next one will."""
        self.shortest_start = min(self.shortest_start or seconds, seconds)


def _together(pending: Mapping[str, RunConfig]) -> list[dict[str, RunConfig]]:
    """Runs that are done together: toy runs that differ in nothing but their seed."""

    def likeness(item: tuple[str, RunConfig]) -> object:
        run_id, run = item
        return run.model_copy(update={"seed": 0}) if run.exact else run_id

    return [dict(same) for _, same in groupby(pending.items(), likeness)]
