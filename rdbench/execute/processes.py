"""Execute runs in processes of their own, several at once on one machine."""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from rdbench.errors import UserError, named
from rdbench.execute.doing import failed, perform
from rdbench.execute.stopping import SIGNALS, Deadline
from rdbench.execute.task import Outcome, Queue, Task, Watch, begin_tasks
from rdbench.runs.host import StoppedError
from rdbench.store.claims import HEARTBEATS, claim_seconds

WAIT_SECONDS = 0.2


class Processes:
    """The executor that does ``jobs`` tasks at a time, each in its own process; if one crashes, its run fails.

    Each process has ``threads`` threads; if that is None, the processes share all threads equally.
    """

    def __init__(self, jobs: int, threads: int | None = None) -> None:
        self.jobs = jobs
        self.threads = threads or max(1, torch.get_num_threads() // jobs)

    def room(self) -> int:
        """How many tasks there may be at a time now."""
        return self.jobs

    def map(self, queue: Queue, watch: Watch) -> Iterator[Outcome]:
        """Do all tasks; yield their outcomes."""
        workers: list[_Worker] = []
        told, more = False, True

        def has_room() -> bool:
            return sum(worker.task is not None for worker in workers) < self.room()

        try:
            while True:
                more = more and begin_tasks(queue, watch, has_room, lambda task: self._free(workers).give(task))
                busy = {worker.connection: worker for worker in workers if worker.task}
                if not more and not busy:
                    return
                if watch.stop_asked() and not told:
                    told = True
                    for worker in busy.values():
                        worker.stop()
                for worker in busy.values():
                    worker.stop_if_lost(watch)
                for connection in wait(list(busy), WAIT_SECONDS):
                    outcome = busy[connection].heard(watch)  # type: ignore[index]
                    if outcome:
                        yield outcome
                workers[:] = [worker for worker in workers if worker.lives]
        finally:
            for worker in workers:
                worker.end()

    def _free(self, workers: list["_Worker"]) -> "_Worker":
        for worker in workers:
            if worker.task is None and worker.lives and worker.process.is_alive():
                return worker
        workers.append(_Worker(self.threads))
        return workers[-1]


class _Worker:
    """A process that does tasks, and the pipe to it."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, threads), daemon=True)
        resource_tracker.ensure_running()  # starting it later would unblock the signals
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # in the child too, until it ignores them
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.task: Task | None = None
        self.lives = True
        self.gives_up = False

    def give(self, task: Task) -> None:
        self.task = task
        self.gives_up = False
        self._send(task)

    def stop(self) -> None:
        self._send("stop")

    def stop_if_lost(self, watch: Watch) -> None:
        """Tell the process to give up its task if another process has taken the task's run over."""
        if self.task and not self.gives_up and watch.lost(self.task):
            self.gives_up = True
            self._send("give up")

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # the process has ended, which ``heard`` will notice
            self.connection.send(message)

    def heard(self, watch: Watch) -> Outcome | None:
        """Receive one message; return the outcome if it is one, or if the process has ended."""
        task = self.task
        if task is None:
            raise RuntimeError("a process without a task has nothing to say")
        try:
            kind, *values = self.connection.recv()
        except (EOFError, OSError):  # OSError if it ended within a message
            self.process.join()
            self.lives, self.task = False, None
            return Outcome(task, failed(task, _death(self.process.exitcode)))
        if kind == "progress":
            watch.progress(task, *values)
            return None
        if kind == "say":
            watch.say(task, *values)
            return None
        self.task = None
        if kind == "user error":
            raise UserError(*values)
        if kind == "failed":
            reason, trace, self.lives = values
            print(trace, file=sys.stderr)
            return Outcome(task, failed(task, reason))
        return Outcome(task, values[0] if kind == "records" else [])

    def end(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = ", as happens where memory runs out" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"


class _Host:
    def __init__(self, connection: Connection, ends: float | None) -> None:
        self.connection = connection
        self.deadline = Deadline.at(ends)
        self.told = False
        self.asked = time.monotonic()

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        self._send("progress", stage, done, total, numbers)

    def say(self, line: str) -> None:
        self._send("say", line)

    def stop_asked(self) -> bool:
        gap, self.asked = time.monotonic() - self.asked, time.monotonic()
        # after a suspension the run may be lost, so give the parent process time to say so
        patience = claim_seconds() / HEARTBEATS if gap > claim_seconds() else 0
        try:
            if self.connection.poll(patience):
                if self.connection.recv() == "give up":
                    raise StoppedError
                self.told = True
        except (EOFError, OSError):
            os._exit(1)  # the parent process has ended, so nobody would receive the result
        return self.told or self.deadline.near()

    def _send(self, *message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:
            os._exit(1)


def _work(connection: Connection, threads: int) -> None:
    """Do tasks until the pipe closes."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the parent process says when to stop
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    torch.set_num_threads(threads)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        if isinstance(task, str):  # a request to stop that came after the task had ended
            continue
        message: tuple[Any, ...]
        try:
            message = ("records", perform(task, _Host(connection, task.settings.ends)))
        except StoppedError:
            message = ("stopped",)
        except UserError as error:
            message = ("user error", str(error))
        except Exception as error:
            usable = not isinstance(error, torch.AcceleratorError)  # every later CUDA call would raise it again
            message = ("failed", named(error), traceback.format_exc(), usable)
        try:
            connection.send(message)
        except OSError:
            return
        if message[0] == "failed" and not message[-1]:
            return
