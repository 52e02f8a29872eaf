"""What becomes of runs, and of exit codes, when nothing more can be shown."""

import io
import os
import subprocess
import sys

import pytest

from rdbench.__main__ import main
from rdbench.execute.processes import Processes
from rdbench.execute.runner import run_sweep


def full():
    """A disk that takes no more."""
    return os.open("/dev/full", os.O_WRONLY)


def closed():
    """A pipe that nobody reads any more, as after ``| head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def exit_code(make, work):
    """The exit code of a child process whose output and errors go to what ``make`` gives."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        for number in (1, 2):
            os.dup2(make(), number)
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "w"))) for number in (1, 2))
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", [full, closed])
def test_runs_go_on_when_nothing_more_can_be_shown(sweep, assert_same, tmp_path, make, jobs):
    executor = Processes(2) if jobs > 1 else None
    assert exit_code(make, lambda: run_sweep(sweep, tmp_path / "store", executor=executor)) == 0
    assert_same(tmp_path / "store")


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["rdbench", *map(str, arguments)])
    return main


@pytest.mark.parametrize(("make", "code"), [(full, 2), (closed, 0)])
def test_a_report_that_cannot_be_written_is_told_and_one_that_nobody_reads_is_not(undisturbed, make, code, monkeypatch):
    assert exit_code(make, command(monkeypatch, "report", undisturbed[1])) == code


def test_what_a_check_finds_is_its_exit_code_though_nobody_reads_it(undisturbed, monkeypatch, rdbench_command):
    code, out, _ = rdbench_command("report", undisturbed[1], "--check")
    assert out
    assert exit_code(closed, command(monkeypatch, "report", undisturbed[1], "--check")) == code


def test_a_full_disk_is_told_by_the_command_in_a_process_of_its_own(undisturbed):
    """Here standard output is what Python makes of it, and standard error can be read."""
    with open("/dev/full", "w") as full_disk:
        command = [sys.executable, "-m", "rdbench", "report", str(undisturbed[1])]
        done = subprocess.run(command, stdout=full_disk, stderr=subprocess.PIPE, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (2, "rdbench: cannot write the output: No space left on device\n")
