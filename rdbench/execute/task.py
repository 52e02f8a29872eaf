"""Tasks, their settings and outcomes, and the protocols between executors and sweeps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rdbench.config.run_config import RunConfig
from rdbench.runs.host import CHECKPOINT_SECONDS
from rdbench.store.schema import Record


@dataclass(frozen=True)
class Settings:
    """How the runs of a sweep are done: where, with whose data, until when, and what is shown and kept on the way.

    The sweep stops at ``ends``, in seconds since 1970, which other processes understand, and begins at most
    ``most_runs`` runs; None is no limit. ``quiet`` shows only runs that did not end well.
    """

    device: str = "auto"
    data_dir: Path | None = None
    ends: float | None = None
    most_runs: int | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    quiet: bool = False


DEFAULTS = Settings()


@dataclass(frozen=True)
class Task:
    """Runs that are done together, by id (one, or several toy runs), and all that a process needs to do them.

    ``store`` is the location of the store, and ``plugins`` are files of parts, which the process that does the task
    loads too.
    """

    runs: dict[str, RunConfig]
    sweep: str
    store: str
    settings: Settings
    plugins: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The id of its first run."""
        return next(iter(self.runs))


@dataclass(frozen=True)
class Outcome:
    """The outcome of a task: its records, or none if it was stopped."""

    task: Task
    records: list[Record]


@dataclass(frozen=True)
class Resources:
    """What an executor may use: ``jobs`` at once on this machine, or what a run reserves on the cluster at ``address``.

    If ``gpus_per_run`` is None, a run reserves the GPUs that ``device`` needs.
    """

    device: str = "auto"
    jobs: int = 1
    address: str | None = None
    cpus_per_run: float = 1.0
    gpus_per_run: float | None = None


class Executor(Protocol):
    """Does tasks.

    ``map`` asks ``queue`` for a task whenever it has room for one, reports progress to ``watch``, and yields outcomes
    as they come. If it has a ``place``, it does them there instead of on a device of this machine.
    """

    def map(self, queue: "Queue", watch: "Watch") -> Iterator[Outcome]:
        """Do all tasks; yield their outcomes."""


class Queue(Protocol):
    """Gives out tasks."""

    def take(self) -> Task | None:
        """The next task; None if there is none just now.

        Raises:
            StopIteration: there will be no more.
        """


class Watch(Protocol):
    """Receives the progress of tasks, and says whether to stop."""

    def begin(self, task: Task) -> None:
        """Note that a task begins."""

    def progress(self, task: Task, stage: str, done: int, total: int, numbers: str) -> None:
        """Note that ``done`` of ``total`` parts of a stage of a task are done."""

    def say(self, task: Task, line: str) -> None:
        """Show a line about a task."""

    def stop_asked(self) -> bool:
        """Whether all tasks should stop."""

    def lost(self, task: Task) -> bool:
        """Whether another process has taken over a run of this task, which must then stop without saving."""


def begin_tasks(queue: Queue, watch: Watch, has_room: Callable[[], bool], start: Callable[[Task], None]) -> bool:
    """Start tasks while there is room and the queue has some; return whether there can be more."""
    while has_room():
        try:
            task = queue.take()
        except StopIteration:
            return False
        if task is None:
            return True
        watch.begin(task)
        start(task)
    return True
