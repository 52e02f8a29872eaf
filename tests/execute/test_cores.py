"""How a sweep shares the cores: with its own runs, and with the other sweeps on its store."""

import json
import os
from dataclasses import asdict, replace

import pytest
import torch

from rdbench.errors import UserError
from rdbench.execute import cores
from rdbench.execute.cores import SharedCores, Timing, by_timing, fastest, share, splits
from rdbench.execute.processes import Processes
from rdbench.execute.runner import run_sweep
from rdbench.store.claims import Claims
from rdbench.store.location import open_storage
from rdbench.store.store import Store

GIGA = 1e9


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)


def timings(*speeds, memory=int(GIGA)):
    """Of 1, 2, 4, … runs on four cores."""
    return iter([Timing(2**i, 4 // 2**i, speed, memory) for i, speed in enumerate(speeds)])


@pytest.mark.parametrize(
    ("speeds", "free", "chosen"),
    [
        ([2050, 2640, 2900], 100 * GIGA, (4, 1)),
        ([2050, 2640, 2500], 100 * GIGA, (2, 2)),
        ([2050, 2100, 2140], 100 * GIGA, (1, 4)),  # each less than 5% above the first
        ([2050, 2640, 2900], 4 * GIGA, (2, 2)),  # two of a gigabyte and a half
        ([2050, 2640, 2900], 1 * GIGA, (1, 4)),
    ],
)
def test_the_fastest_way_for_which_there_is_memory_is_chosen(speeds, free, chosen):
    assert fastest(timings(*speeds), free)[:2] == chosen


def test_a_way_to_share_cores_has_no_more_threads_than_cores():
    assert splits(1, 9) == [(1, 1)]
    assert splits(2, 9) == [(1, 2), (2, 1)]
    assert splits(16, 3) == [(1, 16), (2, 8)]


def test_sweeps_side_by_side_halve_the_cores_while_both_are_there(tmp_path, four_cores, monkeypatch):
    """The other one is this process's parent; one that is no more, or on another machine, takes nothing."""
    storage, clock = open_storage(tmp_path), iter(range(0, 1000, 10))
    monkeypatch.setattr(cores.time, "monotonic", lambda: next(clock))
    executor = SharedCores(1, 3, storage)
    assert (share(storage), executor.room()) == (4, 3)
    storage.prepare("claims")
    with Claims(storage) as mine:
        mine.take(["a"])
        assert executor.room() == 3
        others = {"b": os.getppid(), "c": os.getppid(), "d": 2**22 + 1}
        for run_id, pid in others.items():
            claim(storage, run_id, replace(mine.owner, pid=pid))
        claim(storage, "e", replace(mine.owner, pid=os.getppid(), machine="another"))
        assert (share(storage), executor.room()) == (2, 2)
        for run_id in ("b", "c"):
            storage.delete(f"claims/{run_id}.other.json")
        assert (share(storage), executor.room()) == (4, 3)


def claim(storage, run_id, owner):
    storage.write(f"claims/{run_id}.other.json", json.dumps(asdict(owner)).encode())


def test_a_sweep_is_done_as_its_timing_says(sweep, tmp_path, four_cores, monkeypatch):
    """The run that computes most is timed, at its own batch; the store is not there yet."""
    asked, said = [], []

    def timed(run, side, jobs, threads):
        asked.append((run.encoder, run.batch_size, side, jobs, threads))
        return Timing(jobs, threads, 100.0 * jobs, 1000)

    monkeypatch.setattr(cores, "time_runs", timed)
    pending = {str(index): run for index, run in enumerate(sweep.runs())}
    executor = by_timing(pending, open_storage(tmp_path / "new"), None, said.append)
    assert asked == [("iaf", 8, 28, jobs, 4 // jobs) for jobs in (1, 2, 4)]
    assert (type(executor), executor.threads, executor.room()) == (SharedCores, 1, 4)
    assert said == ["4 runs at once, on 1 thread each: 400 images a second of iaf-deconv-vamp"]


def test_a_timing_that_fails_is_told_and_the_runs_are_done(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "time_runs", lambda *arguments: 1 / 0)
    said = []
    executor = by_timing({"a": sweep.runs()[0]}, open_storage(tmp_path), None, said.append)
    assert (type(executor), executor.jobs) == (Processes, 1)
    assert said == ["one run at a time, since the timing failed: ZeroDivisionError: division by zero"]


@pytest.mark.slow
def test_a_sweep_timed_in_earnest_is_done_on_the_threads_that_were_chosen(sweep, tmp_path, monkeypatch):
    """Sums on another number of threads round in another way, so only counts are compared."""
    monkeypatch.setattr(cores, "SECONDS", 0.2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    said = []
    sweep = sweep.with_values({"family": "---"})
    pending = {str(index): run for index, run in enumerate(sweep.runs())}
    executor = by_timing(pending, Store(tmp_path).storage, None, said.append)
    assert not run_sweep(sweep, tmp_path, executor=executor).failed
    runs = Store(tmp_path).read("runs").frame
    assert len(runs) == 2 and set(runs["threads"]) == {executor.threads}
    assert "at once" in said[0]


def test_jobs_are_a_number_or_auto():
    from rdbench.cli.options import jobs_or_auto

    assert [jobs_or_auto(value) for value in ("auto", "1", "12")] == [None, 1, 12]
    for value in ("0", "-1", "two", "1.5", "1e3", "٣", "9999999"):
        with pytest.raises(UserError, match=r"--jobs: found .*; expected auto, or a number of runs at once"):
            jobs_or_auto(value)
