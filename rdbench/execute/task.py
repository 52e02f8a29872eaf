"""Tasks, their outcomes, and the protocols between executors and sweeps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from rdbench import data
from rdbench.config.plugins import load_plugins
from rdbench.config.run_config import RunConfig
from rdbench.config.sources import check_sources
from rdbench.runs import toy
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.device import pick_device
from rdbench.runs.host import Host
from rdbench.runs.provenance import describe
from rdbench.runs.run import execute
from rdbench.runs.state import UnusableStateError
from rdbench.store.location import open_storage
from rdbench.store.schema import Record
from rdbench.store.status import Status


@dataclass(frozen=True)
class Task:
    """Runs that are done together, by id (one, or several toy runs), and all that a process needs to do them.

    ``plugins`` are files of parts, which the process that does the task loads too. ``ends`` is the deadline in seconds
    since 1970, which other processes understand; None is never.
    """

    runs: dict[str, RunConfig]
    sweep: str
    store: str
    device: str
    data_dir: Path | None
    ends: float | None
    checkpoint_seconds: float
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
    """Settings of executors: ``jobs`` at once on this machine, or what a run reserves on the cluster at ``address``.

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


def perform(task: Task, host: Host) -> list[Record]:
    """Do a task.

    Raises:
        UserError: a plug-in's part is not installed here, or its source differs.
        StoppedError: the host asked the task to stop; its state is saved, except for toy runs, which take seconds.
    """
    load_plugins(task.plugins)
    runs = list(task.runs.values())
    check_sources(runs[0].sources)
    if runs[0].exact:
        return toy.execute(runs, task.sweep, host)
    (run,) = runs
    dataset = data.load(run.dataset, task.data_dir, run.binarisation)
    checkpoint = Checkpoint(open_storage(task.store), task.name)
    threads = torch.get_num_threads()
    try:
        return [execute(run, task.sweep, dataset, pick_device(task.device), host, checkpoint, task.checkpoint_seconds)]
    except UnusableStateError as error:
        return failed(task, str(error))
    finally:
        torch.set_num_threads(threads)  # a run that went on had its own number of them


def failed(task: Task, reason: str) -> list[Record]:
    """Records of failed runs, with the reason."""
    records = []
    for run_id, run in task.runs.items():
        sha256 = data.checksum(run.dataset, task.data_dir, run.binarisation)
        row = describe(run, task.sweep, sha256, None, None)
        row |= {"status": Status.FAILED, "error": reason}
        records.append(Record(run_id, row, {"run_id": []}, {"run_id": []}, {"none": np.zeros(0, np.float32)}))
    return records
