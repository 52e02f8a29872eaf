"""Do the runs of a sweep that its store does not hold yet."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rich.console import Console

from rdbench import data
from rdbench.config.parts import registered_parts
from rdbench.config.plugins import make
from rdbench.config.run_config import RunConfig
from rdbench.config.sweep import Sweep
from rdbench.errors import ExitCode, InterruptedSweepError, counted
from rdbench.execute.cost import is_large, loads
from rdbench.execute.display import Display
from rdbench.execute.estimate import Estimate
from rdbench.execute.finished_elsewhere import FinishedElsewhere
from rdbench.execute.local import ThisProcess
from rdbench.execute.output import unstoppable
from rdbench.execute.plan import WHOLE, Plan, Shard, plan
from rdbench.execute.queue import RunQueue
from rdbench.execute.stopping import Signals
from rdbench.execute.task import DEFAULTS, Executor, Outcome, Resources, Settings, Task
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.device import pick_device
from rdbench.runs.provenance import command
from rdbench.store.changes import clear_states, compact
from rdbench.store.claims import Claims
from rdbench.store.columns import check_settings
from rdbench.store.current import finished
from rdbench.store.plans import announce
from rdbench.store.status import Status
from rdbench.store.store import Store
from rdbench.store.unfinished import unfinished


class Ended(NamedTuple):
    """The rows of a sweep's runs, and whether one of them did not end well."""

    runs: pd.DataFrame
    failed: bool


def make_executor(name: str = "local", resources: Resources = Resources()) -> Executor:  # noqa: B008 - it is frozen
    """The executor of that name in the registry.

    Raises:
        UserError: there is none of that name, or it cannot be used here.
    """
    executor: Executor = make("executor", name)(resources)
    return executor


def run_sweep(
    sweep: Sweep,
    location: str | Path,
    settings: Settings = DEFAULTS,
    executor: Executor | None = None,
    shard: Shard = WHOLE,
) -> Ended:
    """Do the runs of a sweep that the store does not hold; return the rows of all.

    Raises:
        UserError: the sweep or a setting is invalid; raised before any training.
        InterruptedSweepError: the sweep was stopped, or ended at a limit.
    """
    elsewhere = FinishedElsewhere(Store(location))
    return do_runs(plan(sweep, finished(elsewhere.known), settings.data_dir, shard), elsewhere, settings, executor)


@unstoppable()
def do_runs(planned: Plan, elsewhere: FinishedElsewhere, settings: Settings, executor: Executor | None) -> Ended:
    """Do the pending runs of a plan that was made after ``elsewhere``; as ``run_sweep``."""
    store, console = elsewhere.store, Console()
    check_settings(registered_parts())
    place = getattr(executor, "place", None) or pick_device(settings.device).type
    sources = dict.fromkeys((run.dataset, run.binarisation, run.labels) for run in planned.pending.values())
    for name, binarise, labels in sources:
        data.make_ready(name, settings.data_dir, binarise, labels)  # before any training
    store.prepare()
    words = {run_id: run.label(planned.varying) for run_id, run in planned.runs.items()}
    descriptions = {run_id: run.model_dump(mode="json") for run_id, run in planned.runs.items()}
    announce(store.storage, planned.sweep, command(), words, descriptions)
    kept = len(planned.runs) - len(planned.pending)
    note = f", {kept} of them already there" if kept else ""
    display = _display(planned.pending, words, console, settings)
    claims = Claims(store.storage)
    queue = RunQueue(planned, settings, claims, elsewhere, display.line)
    with Signals() as signals:
        try:
            with display, claims:
                if not settings.quiet:
                    display.line(
                        f"sweep {planned.sweep}: {counted(len(planned.runs), 'run')}{note}, on {place}, into {store}"
                    )
                _work_through(queue, executor or ThisProcess(), store, display, _Watch(display, signals, queue))
            stopped = bool(signals.received) or display.done + len(queue.done_elsewhere) < len(planned.pending)
            compact(store)
            if stopped:
                why = "interrupted" if signals.received else "ended at its limit"
                raise _interrupted(why, display, queue, planned, store, signals)
        except KeyboardInterrupt:  # a second signal, at whatever point
            raise _interrupted("interrupted", display, queue, planned, store, signals) from None
    rows = store.read("runs")
    mine = rows.frame[rows.frame["run_id"].isin(list(planned.runs))]
    return Ended(mine, bool((mine["status"] != Status.OK).any()))


def _display(
    pending: Mapping[str, RunConfig], words: Mapping[str, str], console: Console, settings: Settings
) -> Display:
    """A display, with an estimate of the time left if there is a terminal or the sweep is large."""
    data_dir, quiet = settings.data_dir, settings.quiet
    wanted = not quiet and (console.is_terminal or is_large(pending.values(), data_dir))
    return Display(len(pending), words, console, Estimate(loads(pending, data_dir) if wanted else {}), quiet)


def _work_through(queue: RunQueue, executor: Executor, store: Store, display: Display, watch: "_Watch") -> None:
    lost = True
    while lost:  # wait for runs that were lost to another process, even if no other is left
        lost = False
        for outcome in executor.map(queue, watch):
            if queue.claims.hold(outcome.task.runs):
                _keep(outcome, queue, store, display)
                queue.stopped = queue.stopped or not outcome.records
            else:
                lost = True
                queue.put_back(outcome.task)
                display.leave(outcome.task.name, "this process was suspended, and another took the run over")
            queue.claims.release(outcome.task.runs)
    clear_states(store, queue.claims)


def _keep(outcome: Outcome, queue: RunQueue, store: Store, display: Display) -> None:
    """Write the records of runs that this process holds, unless another process has written an answer meanwhile."""
    for record in outcome.records:
        if not store.write(record, queue.elsewhere.known.get(record.run_id)):
            queue.done_elsewhere.add(record.run_id)
            display.leave(record.run_id, "another process has finished it meanwhile, and its answer counts")
            continue
        if record.row["status"] != Status.FAILED:  # a failed run may go on from its state
            Checkpoint(store.storage, record.run_id).discard()
        display.end(record.run_id, record.row)  # a run counts as done once its row is written


def _interrupted(
    why: str, display: Display, queue: RunQueue, planned: Plan, store: Store, signals: Signals
) -> InterruptedSweepError:
    whole = len(planned.runs) - len(planned.pending) + display.done + len(queue.done_elsewhere)
    begun = sum(run_id in planned.pending for run_id in unfinished(store.storage))
    part = f", {begun} more in part" if begun else ""
    all_runs = f"{counted(len(planned.runs), 'run')} {'is' if len(planned.runs) == 1 else 'are'}"
    return InterruptedSweepError(
        f"{why}; {whole} of {all_runs} whole in {store}{part}; the same command does the rest",
        ExitCode.INCOMPLETE if signals.received is None else ExitCode(128 + signals.received),
    )


class _Watch:
    """Shows the progress of tasks, and tells them to stop."""

    def __init__(self, display: Display, signals: Signals, queue: RunQueue) -> None:
        self.display = display
        self.signals = signals
        self.queue = queue
        self.begun: dict[str, float] = {}
        self.told = False

    def begin(self, task: Task) -> None:
        self.begun[task.name] = time.monotonic()
        self.display.begin(task.name)

    def progress(self, task: Task, stage: str, done: int, total: int, numbers: str) -> None:
        if task.name in self.begun:
            self.queue.started(time.monotonic() - self.begun.pop(task.name))
        self.display.show(task.name, stage, done, total, numbers)

    def say(self, task: Task, line: str) -> None:
        self.display.say(task.name, line)

    def lost(self, task: Task) -> bool:
        return self.queue.claims.lost(task.runs)

    def stop_asked(self) -> bool:
        if self.signals.received is None:
            return False
        if not self.told:
            self.told = self.queue.stopped = True
            self.display.line("stopping; what is done is being saved; press again to quit at once")
        return True
