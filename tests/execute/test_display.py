"""What a sweep shows while it runs, at several widths."""

import io

import pytest
from rich.console import Console

from rdbench.execute.display import Display
from rdbench.execute.estimate import Estimate, Load

NUMBERS = "R 12.34  D 83.10  −ELBO 95.44  β 0.5"
ROW = {"status": "ok", "error": None, "rate": 1.0, "distortion": 2.0, "elbo": -3.0, "elbo_se": 0.1,
       "train_seconds": 30.0, "eval_seconds": 10.0, "device": "cpu"}  # fmt: skip


def shown(width, encoding="utf-8"):
    """The lines of a display of two runs, one of them half-way through its training."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(file=file, width=width, force_terminal=True)
    display = Display(2, {"a": "-+v  β 0.5", "b": "---  β 1"}, console)
    display.begin("a")
    display.show("a", "training", 1, 4, NUMBERS)
    display.show("a", "training", 2, 4, NUMBERS)
    with console.capture() as caught:
        console.print(display)
    return caught.get().splitlines()


@pytest.mark.parametrize(
    ("width", "numbers"),
    [(80, "R 12.34"), (92, "R 12.34  D 83.10"), (100, "R 12.34  D 83.10  −ELBO 95.44"), (120, NUMBERS)],
)
def test_times_come_first_then_the_bar_then_as_many_whole_numbers_as_fit(width, numbers):
    sweep, run = shown(width)
    assert sweep.split() == ["0:00", "-:--", "left", "─" * 12, "0%", "sweep:", "0", "of", "2", "runs"]
    assert run.split()[:3] == ["0:00", "0:00", "left"] and run.split()[3] == "━" * 6 + "─" * 6
    assert run.endswith(f"50%  -+v  β 0.5  training  {numbers}")
    assert len(sweep) <= width and len(run) <= width


def test_an_encoding_without_lines_has_a_bar_of_other_letters():
    _, run = shown(100, "ascii")
    assert "######......" in run


def test_a_log_has_a_line_for_each_run_and_says_what_is_left():
    console = Console(file=io.StringIO(), width=80)
    estimate = Estimate({"a": Load("---", 1.0, 0.0), "b": Load("-+-", 3.0, 0.0)})
    with Display(2, {"a": "---  β 1", "b": "-+-  β 1"}, console, estimate) as display:
        display.begin("a")
        display.end("a", ROW | {"jumps": 0})
        display.end("b", ROW | {"status": "diverged", "error": "at step 3", "jumps": 2})
    assert console.file.getvalue().splitlines() == [
        "[1/2] ---  β 1: R 1.000  D 2.000  −ELBO 3.000±0.1  on cpu; about 2:00 left",
        "[2/2] -+-  β 1: diverged: at step 3  jumps 2",
    ]


def test_a_quiet_display_tells_only_what_goes_wrong():
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Display(2, {"a": "---", "b": "-+-"}, console, quiet=True) as display:
        display.begin("a")
        display.show("a", "training", 1, 2, NUMBERS)
        display.end("a", ROW)
        display.end("b", ROW | {"status": "failed", "error": "no memory"})
    assert console.file.getvalue() == "[2/2] -+-: failed: no memory\n"
