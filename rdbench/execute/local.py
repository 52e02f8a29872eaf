"""Do tasks on this machine: in this process one after the other, or in others."""

import time
import traceback
from collections.abc import Iterator

from rdbench.errors import UserError, named
from rdbench.execute.doing import failed, perform
from rdbench.execute.processes import Processes
from rdbench.execute.stopping import Deadline
from rdbench.execute.task import Executor, Outcome, Queue, Resources, Task, Watch
from rdbench.runs.device import pick_device
from rdbench.runs.host import StoppedError

WAIT_SECONDS = 0.5


def on_this_machine(resources: Resources) -> Executor:
    """The executor for this machine: this process for a single job on a CPU, else processes.

    On a GPU even a single job has a process of its own, since some CUDA errors last as long as their process.
    """
    if resources.jobs == 1 and pick_device(resources.device).type == "cpu":
        return ThisProcess()
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
