"""Execute runs in this process, one after the other."""

import time
import traceback
from collections.abc import Iterator

from rdbench.errors import UserError, named
from rdbench.execute.stopping import Deadline
from rdbench.execute.task import Outcome, Queue, Task, Watch, failed, perform
from rdbench.runs.host import StoppedError

WAIT_SECONDS = 0.5


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
        self.deadline = Deadline.at(task.ends)

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        self.watch.progress(self.task, stage, done, total, numbers)

    def say(self, line: str) -> None:
        self.watch.say(self.task, line)

    def stop_asked(self) -> bool:
        if self.watch.lost(self.task):
            raise StoppedError  # without saving: the other process may have saved its own state
        return self.watch.stop_asked() or self.deadline.near()
