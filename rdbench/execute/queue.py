"""The queue of a sweep's pending runs, shared with other sweeps on the same store."""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import groupby

from rdbench.config.plugins import plugin_files
from rdbench.config.run_config import RunConfig
from rdbench.errors import counted
from rdbench.execute.finished_elsewhere import FinishedElsewhere
from rdbench.execute.plan import Plan
from rdbench.execute.stopping import Deadline
from rdbench.execute.task import Settings, Task
from rdbench.store.claims import Claims


class RunQueue:
    """A queue of tasks; a run is claimed when it is taken, and released once its record is written.

    A run that another process has claimed is tried again until it is finished or free.
    """

    def __init__(
        self,
        planned: Plan,
        settings: Settings,
        claims: Claims,
        elsewhere: FinishedElsewhere,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.pending = deque(_together(planned.pending))
        self.sweep = planned.sweep
        self.settings = settings
        self.claims = claims
        self.say = say
        self.waits = False
        self.deadline = Deadline.at(settings.ends)
        self.shortest_start = 0.0
        self.begun = 0
        self.elsewhere = elsewhere
        self.done_elsewhere: set[str] = set()
        self.stopped = False

    def take(self) -> Task | None:
        """The next task that no other process does; None while others do all the runs that are left.

        Raises:
            StopIteration: all runs are done, or a limit forbids another one.
        """
        full = self.settings.most_runs is not None and self.begun >= self.settings.most_runs
        if not self.pending or full or self.stopped or not self.deadline.has(self.shortest_start):
            raise StopIteration
        for _ in range(len(self.pending)):
            runs = self.pending.popleft()
            if self.claims.take(runs):
                self.done_elsewhere |= self.elsewhere.finished(runs)
                if self.done_elsewhere >= set(runs):
                    self.claims.release(runs)
                    continue
                self.begun += len(runs)
                return Task(runs, self.sweep, self.claims.storage.location, self.settings, plugin_files())
            self.pending.append(runs)
        if not self.pending:
            raise StopIteration
        if not self.waits:
            self.waits = True
            self.say(f"{counted(len(self.pending), 'run')} being done by other sweeps on this store; waiting")
        return None

    def put_back(self, task: Task) -> None:
        """Take back a task whose runs another process has taken over, and wait for these runs."""
        self.begun -= len(task.runs)
        self.pending.append(task.runs)

    def started(self, seconds: float) -> None:
        """Note how long a task took to start; the next one is expected to take as long."""
        self.shortest_start = min(self.shortest_start or seconds, seconds)


def _together(pending: Mapping[str, RunConfig]) -> list[dict[str, RunConfig]]:
    """The pending runs in groups that are done together: toy runs that differ only in their seed."""

    def likeness(item: tuple[str, RunConfig]) -> object:
        run_id, run = item
        return run.model_copy(update={"seed": 0}) if run.exact else run_id

    return [dict(same) for _, same in groupby(pending.items(), likeness)]
