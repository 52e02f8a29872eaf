"""Do tasks in this process, one after the other."""

import time
import traceback
from collections.abc import Iterator

import numpy as np
import torch

from rdbench import data
from rdbench.config.plugins import load_plugins
from rdbench.config.sources import check_sources
from rdbench.errors import UserError, named
from rdbench.execute.stopping import Deadline
from rdbench.execute.task import Executor, Outcome, Queue, Resources, Task, Watch
from rdbench.runs import toy
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.device import pick_device
from rdbench.runs.host import Host, StoppedError
from rdbench.runs.provenance import describe
from rdbench.runs.run import execute
from rdbench.runs.state import UnusableStateError
from rdbench.store.location import open_storage
from rdbench.store.schema import Record
from rdbench.store.status import Status

WAIT_SECONDS = 0.5


def on_this_machine(resources: Resources) -> Executor:
    """The executor for this machine: this process for a single job on a CPU, else processes.

    On a GPU even a single job has a process of its own, since some CUDA errors last as long as their process.
    """
    if resources.jobs == 1 and pick_device(resources.device).type == "cpu":
        return ThisProcess()
    from rdbench.execute.processes import Processes  # here, because it does tasks by this module

    return Processes(resources.jobs)


class ThisProcess:
    """The executor that does one task at a time in this process."""

    def map(self, queue: Queue, watch: Watch) -> Iterator[Outcome]:
        """Do all tasks; yield their outcomes."""
        while not watch.stop_asked():
            try:
                task = queue.take()
            except StopIteration:
                return
            if task is None:
                time.sleep(WAIT_SECONDS)
                continue
            watch.begin(task)
            try:
                yield Outcome(task, perform(task, _Host(task, watch)))
            except StoppedError:
                yield Outcome(task, [])
            except UserError:
                raise
            except Exception as error:  # as in a process of its own, the run fails and the sweep goes on
                traceback.print_exc()
                yield Outcome(task, failed(task, named(error)))


class _Host:
    def __init__(self, task: Task, watch: Watch) -> None:
        self.task = task
        self.watch = watch
        self.deadline = Deadline.at(task.settings.ends)

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        self.watch.progress(self.task, stage, done, total, numbers)

    def say(self, line: str) -> None:
        self.watch.say(self.task, line)

    def stop_asked(self) -> bool:
        if self.watch.lost(self.task):
            raise StoppedError  # without saving: the other process may have saved its own state
        return self.watch.stop_asked() or self.deadline.near()


def perform(task: Task, host: Host) -> list[Record]:
    """Do a task.

    Raises:
        UserError: a plug-in's part is not installed here, or its source differs.
        StoppedError: the host asked the task to stop; its state is saved, except for toy runs, which take seconds.
    """
    load_plugins(task.plugins)
    runs, settings = list(task.runs.values()), task.settings
    check_sources(runs[0].sources)
    if runs[0].exact:
        return toy.execute(runs, task.sweep, host)
    (run,) = runs
    dataset = data.load(run.dataset, settings.data_dir, run.binarisation)
    checkpoint = Checkpoint(open_storage(task.store), task.name)
    device, threads = pick_device(settings.device), torch.get_num_threads()
    try:
        return [execute(run, task.sweep, dataset, device, host, checkpoint, settings.checkpoint_seconds)]
    except UnusableStateError as error:
        return failed(task, str(error))
    finally:
        torch.set_num_threads(threads)  # a run that went on had its own number of them


def failed(task: Task, reason: str) -> list[Record]:
    """Records of failed runs, with the reason."""
    records = []
    for run_id, run in task.runs.items():
        sha256 = data.checksum(run.dataset, task.settings.data_dir, run.binarisation)
        row = describe(run, task.sweep, sha256, None, None)
        row |= {"status": Status.FAILED, "error": reason}
        records.append(Record(run_id, row, {"run_id": []}, {"run_id": []}, {"none": np.zeros(0, np.float32)}))
    return records
