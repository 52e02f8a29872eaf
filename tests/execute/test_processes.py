"""Runs in processes of their own."""

import multiprocessing
import os
import signal
import threading
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from rdbench.errors import InterruptedSweepError, UserError
from rdbench.execute import doing, processes
from rdbench.execute.display import Display
from rdbench.execute.doing import failed, perform
from rdbench.execute.plan import Shard
from rdbench.execute.processes import Processes, _Worker
from rdbench.execute.runner import make_executor, run_sweep
from rdbench.execute.task import Outcome, Resources, Settings, Task
from rdbench.runs.host import QuietHost, StoppedError
from rdbench.store.store import Store
from rdbench.store.unfinished import unfinished


@pytest.mark.slow
def test_runs_at_once_have_the_numbers_of_runs_one_by_one(sweep, assert_same, tmp_path):
    assert not run_sweep(sweep, tmp_path, executor=Processes(2)).failed
    assert_same(tmp_path)


def test_a_signal_while_a_worker_starts_does_not_end_it():
    """As Ctrl-C gives it to every process of a terminal, also to one that still imports."""
    worker = _Worker(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.process.pid, number)
    worker.connection.close()
    worker.process.join(60)
    assert worker.process.exitcode == 0


def test_a_worker_that_dies_in_the_middle_of_a_message_is_a_failed_run(sweep):
    ours, theirs = multiprocessing.Pipe()
    os.write(theirs.fileno(), (1000).to_bytes(4, "big") + b"the beginning of a record")
    theirs.close()
    dead = multiprocessing.get_context("fork").Process(target=os._exit, args=(9,))
    dead.start()
    worker = object.__new__(_Worker)
    run = sweep.runs()[0]
    task = Task({run.run_id("d"): run}, "demo", "store", Settings("cpu"))
    vars(worker).update(connection=ours, process=dead, task=task, lives=True)
    outcome = worker.heard(None)
    assert outcome.records[0].row["error"] == "its process ended with exit code 9" and not worker.lives


@pytest.mark.parametrize(
    ("error", "usable"), [(torch.AcceleratorError("an illegal memory access"), False), (ValueError("a bug"), True)]
)
def test_a_worker_ends_after_an_error_that_its_device_keeps(sweep, monkeypatch, error, usable):
    """The executor is told before, and gives the next run to another process."""
    ours, theirs = multiprocessing.Pipe()
    run = sweep.runs()[0]
    task = Task({run.run_id("d"): run}, "demo", "store", Settings("cpu"))
    tasks = [task, task]

    def perform(*arguments):
        tasks.pop()
        raise error

    monkeypatch.setattr(processes, "perform", perform)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    for _ in tasks:
        ours.send(task)
    worker = object.__new__(_Worker)
    vars(worker).update(connection=ours, process=None, task=task, lives=True)
    thread = threading.Thread(target=processes._work, args=(theirs, 1))
    thread.start()
    outcome = worker.heard(None)
    assert outcome.records[0].row["error"] == f"{type(error).__name__}: {error}"
    assert worker.lives == usable
    ours.close()
    thread.join(10)
    assert len(tasks) == (0 if usable else 1)


def test_a_failed_run_keeps_its_state_and_goes_on_from_it(sweep, assert_same, tmp_path):
    """Only memory may have run out."""
    with pytest.raises(InterruptedSweepError):
        run_sweep(sweep, tmp_path, executor=Impatient())
    (begun,) = unfinished(Store(tmp_path).storage)

    class Failing:
        def map(self, queue, watch):
            task = queue.take()
            yield Outcome(task, failed(task, "out of memory"))

    with pytest.raises(InterruptedSweepError):
        run_sweep(sweep, tmp_path, executor=Failing())
    assert unfinished(Store(tmp_path).storage) == {begun}
    assert not run_sweep(sweep, tmp_path).failed
    assert_same(tmp_path)


class Impatient:
    """Stops a run in the middle of its training."""

    def map(self, queue, watch):
        task, asked = queue.take(), []

        class Host(QuietHost):
            def stop_asked(self):
                asked.append(1)
                return len(asked) > 5

        with pytest.raises(StoppedError):
            perform(task, Host())
        yield Outcome(task, [])


def test_a_run_that_raises_is_a_failed_row_and_the_others_go_on(sweep, assert_same, tmp_path, monkeypatch):
    """In this process as in another."""
    execute, tried = doing.execute, []

    def raise_at_first(config, *arguments):
        tried.append(config)
        if len(tried) == 1:
            raise RuntimeError("out of everything")
        return execute(config, *arguments)

    monkeypatch.setattr(doing, "execute", raise_at_first)
    assert run_sweep(sweep, tmp_path).failed
    runs = Store(tmp_path).read("runs").frame
    assert sorted(runs["status"]) == ["failed", "ok", "ok", "ok"]
    assert list(runs["error"].dropna()) == ["RuntimeError: out of everything"]
    assert not run_sweep(sweep, tmp_path).failed
    assert_same(tmp_path)


@pytest.mark.slow
def test_a_crash_is_a_failed_row_and_the_others_go_on(sweep, assert_same, tmp_path, monkeypatch):
    killed = []

    def kill_the_first(display, name, *told):
        if not killed:
            killed.append(name)
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    monkeypatch.setattr(Display, "show", kill_the_first)
    assert run_sweep(sweep, tmp_path, executor=Processes(2)).failed
    runs = Store(tmp_path).read("runs").frame
    assert sorted(runs["status"]) == ["failed", "ok", "ok", "ok"]
    (error,) = runs.loc[runs["status"] == "failed", "error"]
    assert error == "its process was killed by SIGKILL, as happens where memory runs out"
    assert not run_sweep(sweep, tmp_path, executor=Processes(2)).failed
    assert_same(tmp_path)


def attempt(sweep, folder, jobs, budget):
    """The exit code of a sweep with a time budget, which is kept."""
    started = time.monotonic()
    try:
        code = int(
            run_sweep(
                sweep,
                folder,
                Settings(ends=budget and time.time() + budget),
                make_executor("local", Resources(jobs=jobs)),
            ).failed
        )
    except InterruptedSweepError as ended:
        code = ended.exit_code
    assert budget is None or time.monotonic() - started < budget
    return code


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_time_budget_is_kept_and_what_was_begun_goes_on(sweep, read_tables, tmp_path, jobs):
    """A budget of two thirds of what the run takes ends within it."""
    longer = sweep.with_values({"epochs": 120 * jobs, "family": "---", "beta": 1.0})
    started = time.monotonic()
    assert attempt(longer, tmp_path / "undisturbed", jobs, None) == 0
    budget = (time.monotonic() - started) * 2 / 3
    codes = []
    while not codes or codes[-1] == 3:
        codes.append(attempt(longer, tmp_path / "store", jobs, budget))
        assert len(codes) < 20
    assert codes[-1] == 0 and len(codes) > 1
    ours, theirs = read_tables(tmp_path / "store"), read_tables(tmp_path / "undisturbed")
    for table in ours:
        pd.testing.assert_frame_equal(ours[table], theirs[table], check_exact=True)


def test_a_number_of_runs_is_kept(sweep, assert_same, tmp_path):
    for done in (1, 2, 3):
        with pytest.raises(InterruptedSweepError, match=f"{done} of 4 runs are whole") as ended:
            run_sweep(sweep, tmp_path, settings=Settings(most_runs=1))
        assert ended.value.exit_code == 3
        schemas = {str(pq.read_schema(path)) for path in (tmp_path / "runs").iterdir()}
        assert len(schemas) == 1  # so that other readers find all columns
    assert not run_sweep(sweep, tmp_path, settings=Settings(most_runs=1)).failed
    assert_same(tmp_path)


def test_shards_are_disjoint_and_make_up_the_sweep(sweep, assert_same, tmp_path):
    for part in (1, 2, 3):
        assert not run_sweep(sweep, tmp_path, shard=Shard(part, 3)).failed
    assert_same(tmp_path)


def test_a_store_that_goes_away_is_told(sweep, tmp_path, monkeypatch):
    import shutil

    folder = tmp_path / "store"
    begun = []

    def leave(*_):
        begun.append(True)
        shutil.rmtree(folder, ignore_errors=True)

    monkeypatch.setattr("rdbench.execute.display.Display.begin", leave)
    with pytest.raises(UserError, match=r"cannot write to the store .*: .*No such file"):
        run_sweep(sweep, folder)
    assert begun


def test_ray_is_optional(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match=r"Ray is not installed; python -m pip install \"rdbench\[ray\]\""):
        make_executor("ray")
    with pytest.raises(UserError, match="unknown executor 'rey'; did you mean 'ray'"):
        make_executor("rey")
