"""What commands print on a terminal, which is a pseudo terminal here, and in commands to be pasted."""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from rdbench.cli import app

ROOT = Path(__file__).parent.parent.parent
TINY = ["--family=---", "--beta", "1", "--set", "width=0.05", "--set", "latent_dim=4", "--set", "evaluation_images=20",
        "--set", "iwae=1", "--set", "train_images=64", "--set", "batch_size=16"]  # fmt: skip
ENOUGH_TO_ASK = ["--family=---", "--beta", "1", "--set", "width=0.05", "--epochs", "20000", "--set", "iwae=1"]


def on_terminal(columns, *arguments, cwd, typed=""):
    """The exit code of a command on a terminal so wide, and all that it printed; ``typed`` answers its question."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    command = [sys.executable, "-m", "rdbench", *map(str, arguments)]
    running = subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, cwd=cwd, env={**environment, "TERM": "xterm"}, close_fds=True
    )
    os.close(its)
    shown, ends = b"", time.monotonic() + 120
    while time.monotonic() < ends:
        try:
            more = os.read(ours, 65536)
        except OSError:  # how a terminal ends whose last user has gone
            break
        shown += more
        if typed and b"?" in shown:
            os.write(ours, typed.encode())
            typed = ""
    os.close(ours)
    return running.wait(timeout=60), shown.decode()


def lines(shown):
    """The lines of what a terminal was sent, without what moves its cursor or colours it."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown))


@pytest.mark.slow
def test_a_large_sweep_asks_and_a_no_begins_nothing(tmp_path):
    code, shown = on_terminal(80, "sweep", "demo", *ENOUGH_TO_ASK, cwd=tmp_path, typed="n\n")
    assert code == 130
    assert "FLOP, about " in shown and "Begin 1 run?" in shown and "nothing was begun" in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_yes_begins_without_a_question(tmp_path):
    code, shown = on_terminal(80, "sweep", "demo", *ENOUGH_TO_ASK, "--yes", "--time-budget", "1s", cwd=tmp_path)
    assert code == 3 and "Begin" not in shown
    assert (tmp_path / "outputs" / "demo" / "plans").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 100, 120])
def test_progress_has_times_a_bar_and_numbers_in_the_width_there_is(columns, tmp_path):
    code, shown = on_terminal(columns, "sweep", "demo", *TINY, "--epochs", "40", cwd=tmp_path)
    assert code == 0, shown
    progress = [line.rstrip() for line in lines(shown) if "left  " in line]
    assert max(map(len, progress)) <= columns
    assert all(re.match(r" *\S+ +\S+ left  [━─]{12} +\d+%  \S", line) for line in progress)
    assert any(re.search(r"left  ━.*train.*R \d", line) for line in progress), progress
    table = [line for line in lines(shown) if line.startswith(("family", "gaussian", "---", "─"))]
    assert table and max(map(len, table)) <= columns


@pytest.mark.slow
def test_the_table_of_datasets_is_no_wider_than_the_terminal_and_not_tall(tmp_path):
    code, shown = on_terminal(80, "data", "list", cwd=tmp_path)
    assert code == 0 and "50,000" in shown and max(map(len, lines(shown))) <= 80
    assert len(lines(shown)) <= 21


@pytest.mark.slow
def test_a_report_on_80_columns_says_how_far_runs_are_from_print(tmp_path):
    code, shown = on_terminal(80, "report", str(ROOT / "results" / "mnist-twelve"), cwd=tmp_path)
    table = shown.partition("Against the paper")[2].partition("Verdicts")[0]
    assert code == 0 and "difference" in table and max(map(len, lines(table))) <= 80


@pytest.mark.slow
def test_what_is_printed_to_be_pasted_works_with_spaces_and_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run = CliRunner().invoke
    done = run(app, ["sweep", "demo", *TINY, "--epochs", "1", "--store", "~/my runs"])
    assert done.exit_code == 0, done.output
    where = str(tmp_path / "my runs")
    (draw,) = re.findall(r"draw them with: (rdbench .*)", done.output)
    assert shlex.split(draw) == ["rdbench", "plot", where]
    drawn = run(app, [*shlex.split(draw)[1:], "--kind", "plane"])
    assert drawn.exit_code == 0 and (tmp_path / "my runs" / "figures" / "plane.png").exists()
    left_out = run(app, ["plot", where, "--kind", "bottleneck"])
    (probe,) = re.findall(r"fit a probe with: (rdbench .*)", left_out.output)
    assert shlex.split(probe) == ["rdbench", "evaluate", where, "--labels"]
    absent = run(app, ["report", str(tmp_path / "not here")])
    (make,) = re.findall(r"make one with: (rdbench .*)", str(absent.exception))
    assert shlex.split(make)[-2:] == ["--store", str(tmp_path / "not here")]


@pytest.mark.slow
def test_quiet_commands_print_nothing_that_went_well(tmp_path):
    run, store = CliRunner().invoke, str(tmp_path / "store")
    assert run(app, ["sweep", "demo", *TINY, "--epochs", "1", "--store", store, "--quiet"]).output == ""
    (run_id,) = pd.read_parquet(tmp_path / "store" / "runs")["run_id"]
    for arguments in (
        ["evaluate", store, "--iwae", "2"],
        ["runs", store, "retry", run_id],
        ["runs", store, "rm", run_id],
    ):
        done = run(app, [*arguments, "--quiet"])
        assert (done.exit_code, done.output) == (0, ""), done.output
