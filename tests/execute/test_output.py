"""What becomes of runs, and of exit codes, when nothing more can be shown."""

import io
import os
import subprocess
import sys
from functools import partial

import pytest

from rdbench.__main__ import main
from rdbench.execute.processes import Processes
from rdbench.execute.runner import run_sweep
from rdbench.store.store import Store


def full():
    """A disk that takes no more."""
    return os.open("/dev/full", os.O_WRONLY)


def closed():
    """A pipe that nobody reads any more, as after ``| head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def closed_stream():
    """None, for a stream as ``>&-`` leaves it."""


def exit_code(make, work, make_errors=None):
    """The exit code of a child process whose output goes to what ``make`` gives; errors too, or elsewhere."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        sys.stdout, sys.stderr = connected(1, make()), connected(2, (make_errors or make)())
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        os._exit(code)


def connected(number, target):
    """A standard stream as Python opens it on this descriptor."""
    if target is None:
        os.close(number)
        return None
    os.dup2(target, number)
    return io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "w")), line_buffering=number == 2)


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


@pytest.fixture
def told(tmp_path):
    """A file for the errors of a child process."""
    return tmp_path / "errors"


def ended(make, monkeypatch, told, *arguments):
    """The exit code of a command, and what it told while its output went to what ``make`` gives."""
    errors = partial(os.open, told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    return exit_code(make, command(monkeypatch, *arguments), errors), told.read_text()


FULL = "rdbench: cannot write the output: No space left on device"
GOES_ON = f"{FULL}; the work goes on without it\n"


@pytest.fixture
def one_run(images):
    """The arguments of a sweep of one tiny run."""
    values = {"dataset": images, "width": 0.03, "latent_dim": 3, "train_images": 16, "evaluation_images": 4, "iwae": 1}
    values |= {"batch_size": 8, "rate_samples": 1, "generated_images": 1}
    return ["--family=---", "--beta", "1", "--epochs", "1", *(f"--set={key}={value}" for key, value in values.items())]


@pytest.mark.parametrize(("make", "line"), [(full, GOES_ON), (closed, ""), (closed_stream, "")])
def test_a_command_that_changes_a_store_goes_on_and_tells_a_full_disk_once(make, line, one_run, monkeypatch, told):
    one, both = (told.parent / name for name in ("one", "both"))
    assert ended(make, monkeypatch, told, "sweep", "demo", *one_run, "--store", one) == (0, line)
    rows = Store(one).read("runs").frame
    assert rows["status"].to_list() == ["ok"] and not list((one / "claims").iterdir())
    assert len(list((one / "checkpoints").iterdir())) == 1  # the weights, and no state
    assert ended(make, monkeypatch, told, "evaluate", one, "--iwae", 2) == (0, line)
    assert "iwae_2" in Store(one).read("runs").frame
    assert ended(make, monkeypatch, told, "merge", one, "--into", both) == (0, line)
    assert ended(make, monkeypatch, told, "runs", one, "rm", rows["run_id"][0]) == (0, line)
    assert (len(Store(one).finished()), len(Store(both).finished())) == (0, 1)


@pytest.mark.parametrize("make", [full, closed, closed_stream])
def test_a_sweep_whose_errors_cannot_be_shown_does_its_runs(make, one_run, monkeypatch, tmp_path):
    shown = partial(os.open, tmp_path / "shown", os.O_WRONLY | os.O_CREAT)
    sweep = command(monkeypatch, "sweep", "demo", *one_run, "--store", tmp_path / "store")
    assert exit_code(shown, sweep, make) == 0
    assert "[1/1] ---  β 1: R " in (tmp_path / "shown").read_text()
    assert Store(tmp_path / "store").read("runs").frame["status"].to_list() == ["ok"]


@pytest.mark.parametrize(
    "words",
    [["report"], ["runs"], ["plot", "--kind", "plane", "--format", "svg"], ["sweep", "demo", "--dry-run", "--store"]],
    ids=lambda words: words[0],
)
def test_what_only_shows_tells_a_full_disk_and_ends_well_if_nobody_reads(words, undisturbed, monkeypatch, told):
    shown = [*words, undisturbed[1]] if words[0] == "sweep" else [words[0], undisturbed[1], *words[1:]]
    shown += ["--out", told.parent / "figures"] if words[0] == "plot" else []
    for make, expected in ((full, (2, f"{FULL}\n")), (closed, (0, "")), (closed_stream, (0, ""))):
        assert ended(make, monkeypatch, told, *shown) == expected


def test_errors_are_told_though_the_output_is_closed(monkeypatch, told):
    code, line = ended(closed_stream, monkeypatch, told, "report", told.parent / "nowhere")
    assert code == 2 and line.startswith("rdbench: there is no store") and line.count("\n") == 1


@pytest.mark.parametrize("end", ["> /dev/full", "| head -1", ">&- 2>&-"])
def test_so_it_is_in_a_shell(end, undisturbed):
    """Here all streams are what Python makes of them."""
    script = f"set -o pipefail; {sys.executable} -m rdbench report {undisturbed[1]} {end}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=100)
    expected = (2, f"{FULL}\n") if "full" in end else (0, "")
    assert (done.returncode, done.stderr) == expected
    assert done.stdout.startswith("Runs: ") == ("head" in end)
