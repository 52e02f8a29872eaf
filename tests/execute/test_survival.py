"""Sweeps whose processes are really killed, or share a store."""

import os
import random
import resource
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from rdbench.errors import ExitCode, InterruptedSweepError, UserError
from rdbench.execute import doing, runner
from rdbench.execute.display import Display
from rdbench.execute.processes import Processes
from rdbench.execute.runner import run_sweep
from rdbench.execute.task import Settings
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.keeping import Keeper
from rdbench.runs.state import State
from rdbench.store.claims import SECONDS_VARIABLE, Claims
from rdbench.store.store import Store
from rdbench.store.unfinished import unfinished

KILLS = 30


def forked(work):
    """A child of this process, which has torch already, that does some work; its process number."""
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work()
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def ended(child, seconds):
    """The exit status of a child, or None if it still runs after some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.005)
    return None


@pytest.mark.slow
def test_thirty_kills_lose_nothing_double_nothing_and_change_no_number(sweep, assert_same, tmp_path):
    """SIGKILL at random moments; every other sweep keeps its state after each step, the rest never, being short."""
    chance = random.Random(0)
    kills, sweeps, longest = 0, 0, 0.8
    while kills < KILLS:
        folder = tmp_path / f"store{sweeps}"
        sweeps += 1
        settings = Settings(checkpoint_seconds=0.0 if sweeps % 2 else 60.0)
        for tries in range(1000):
            child = forked(partial(run_sweep, sweep, folder, settings=settings))
            status = ended(child, chance.uniform(0, longest + tries / 20))  # on a busy machine no sweep ends in 0.8 s
            if status is not None:
                assert status == 0
                break
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            kills += 1
        assert_same(folder)
        shutil.rmtree(folder)


def test_a_state_left_beside_a_finished_run_is_cleared_away_unless_the_run_is_being_done_again(
    sweep, undisturbed, assert_same, tmp_path
):
    """As a process leaves it that is killed between keeping a run and deleting its state."""
    shutil.copytree(undisturbed[1], folder := tmp_path / "store")
    store = Store(folder)
    left, done_again = sorted(store.finished())[:2]
    for run_id in (left, done_again):
        Checkpoint(store.storage, run_id).save(State({}, {}))
    with Claims(store.storage) as claims:
        assert claims.take([done_again])
        assert not run_sweep(sweep, folder).failed
        assert unfinished(store.storage) == {done_again}
    assert not run_sweep(sweep, folder).failed
    assert_same(folder)


@pytest.mark.slow
def test_several_sweeps_on_one_store_share_the_work(sweep, assert_same, tmp_path, monkeypatch):
    log = tmp_path / "log"
    execute = doing.execute

    def logged(config, *arguments):
        with log.open("a") as file:
            file.write(f"{config.label([])} {os.getpid()}\n")
        return execute(config, *arguments)

    monkeypatch.setattr(doing, "execute", logged)
    children = [forked(partial(run_sweep, sweep, tmp_path / "store")) for _ in range(3)]
    assert [ended(child, 60) for child in children] == [0, 0, 0]
    runs, processes = zip(*(line.rsplit(" ", 1) for line in log.read_text().splitlines()), strict=True)
    assert len(runs) == len(set(runs)) == 4
    assert len(set(processes)) > 1
    assert_same(tmp_path / "store")


STOPPING = ["in training", "before its record is kept"]


@pytest.mark.parametrize("moment", STOPPING)
def test_a_process_that_stood_still_leaves_its_run_to_the_one_that_took_it_over(
    sweep, assert_same, tmp_path, monkeypatch, moment
):
    """It is really stopped for longer than a claim lasts, and goes on when the other has finished."""
    monkeypatch.setenv(SECONDS_VARIABLE, "0.6")
    execute, between, steps = doing.execute, Keeper.between, []

    def stand_still():
        if not steps:
            steps.append(1)
            os.kill(os.getpid(), signal.SIGSTOP)

    def stopped_sweep():
        if moment == STOPPING[0]:
            monkeypatch.setattr(Keeper, "between", lambda keeper: (stand_still(), between(keeper)))
        else:
            monkeypatch.setattr(doing, "execute", lambda *given: (execute(*given), stand_still())[0])
        run_sweep(sweep, tmp_path, settings=Settings(checkpoint_seconds=0.0))

    child = forked(stopped_sweep)
    assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    assert not run_sweep(sweep, tmp_path).failed
    before = rows_of(tmp_path)
    os.kill(child, signal.SIGCONT)
    assert ended(child, 60) == 0
    assert rows_of(tmp_path) == before
    assert_same(tmp_path)


@pytest.mark.slow
def test_so_does_the_parent_of_processes_that_went_on(sweep, assert_same, tmp_path, monkeypatch):
    monkeypatch.setenv(SECONDS_VARIABLE, "0.6")
    longer, begin, begun = sweep.with_values({"family": "---", "beta": 1.0}), Display.begin, []

    def stand_still(display, name):
        begin(display, name)
        if not begun:
            begun.append(name)
            os.kill(os.getpid(), signal.SIGSTOP)

    def stopped_sweep():
        monkeypatch.setattr(Display, "begin", stand_still)
        run_sweep(longer, tmp_path, executor=Processes(1), settings=Settings(checkpoint_seconds=0.0))

    child = forked(stopped_sweep)
    assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    assert not run_sweep(longer, tmp_path).failed
    before = rows_of(tmp_path)
    os.kill(child, signal.SIGCONT)
    assert ended(child, 60) == 0
    assert rows_of(tmp_path) == before
    assert not run_sweep(sweep, tmp_path).failed
    assert_same(tmp_path)


def rows_of(folder):
    """When each row was written."""
    return dict(Store(folder).read("runs", columns=["run_id", "created_at"]).frame.itertuples(index=False, name=None))


@pytest.mark.slow
def test_the_first_signal_keeps_what_is_done_and_the_second_quits(sweep, assert_same, tmp_path):
    for signals, number in ((1, signal.SIGTERM), (1, signal.SIGINT), (2, signal.SIGINT)):
        folder = tmp_path / f"{signals} {number.name}"
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            try:
                run_sweep(sweep, folder)
            except InterruptedSweepError as interruption:
                os._exit(interruption.exit_code)
            os._exit(0)
        time.sleep(0.5)
        for _ in range(signals):
            os.kill(child, number)
            time.sleep(0.001)
        assert os.waitstatus_to_exitcode(ended(child, 20)) == 128 + number
        if signals == 1:
            assert list(Path(folder / "checkpoints").iterdir())
        assert not list((folder / "claims").iterdir())
        assert not run_sweep(sweep, folder).failed
        assert_same(folder)


@pytest.mark.parametrize(("place", "name"), [(Claims, "__exit__"), (Display, "__exit__"), (runner, "unfinished")])
def test_a_second_signal_that_comes_while_a_sweep_closes_is_told_like_any_other(
    sweep, tmp_path, monkeypatch, place, name
):
    before, signals = getattr(place, name), [signal.SIGTERM]

    def struck(*arguments):
        for _ in range(len(signals)):
            os.kill(os.getpid(), signals.pop())
        return before(*arguments)

    monkeypatch.setattr(runner, "_work_through", lambda *arguments: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(place, name, struck)
    with pytest.raises(InterruptedSweepError, match="interrupted; 0 of") as told:
        run_sweep(sweep, tmp_path)
    assert told.value.exit_code is ExitCode.TERMINATED and not signals


def test_a_disk_that_takes_no_more_is_told_and_what_is_there_is_whole(sweep, assert_same, tmp_path):
    """The system itself refuses to write: no file of this process may be larger than 20 kB."""

    def run_until_full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        with pytest.raises(UserError, match=r"cannot write to the store .*: File too large; earlier runs are whole"):
            run_sweep(sweep, tmp_path)

    assert ended(forked(run_until_full), 60) == 0
    assert not list(tmp_path.rglob("*.partial")) and not list((tmp_path / "runs").iterdir())
    assert not run_sweep(sweep, tmp_path).failed
    assert_same(tmp_path)
