"""The progress of a sweep: a live display on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from rdbench.errors import counted, plain
from rdbench.execute.estimate import Estimate
from rdbench.store.status import Status

LINE_SECONDS = 20.0
"""The seconds between plain lines if there is no terminal."""

BAR = 12


class Display:
    """Shows the progress of so many runs, with the label that ``words`` has for each. Use it in ``with``.

    A line of the live display has the times, a bar, the label, and as many numbers as fit. ``quiet`` shows only runs
    that did not end well.
    """

    def __init__(
        self,
        runs: int,
        words: Mapping[str, str],
        console: Console,
        estimate: Estimate | None = None,
        quiet: bool = False,
    ) -> None:
        self.console = console
        self.runs = runs
        self.words = words
        self.estimate = estimate or Estimate({})
        self.quiet = quiet
        self.done = 0
        self.started = time.monotonic()
        self.tasks: dict[str, _Stage] = {}
        self.last_lines: dict[str, float] = {}
        self.live = Live(self, console=console, transient=True) if console.is_terminal and not quiet else None

    def begin(self, name: str) -> None:
        """Show that a task begins; its name is the id of its first run."""
        self.last_lines[name] = time.monotonic()
        self.tasks[name] = _Stage("", 0, 0, "")

    def show(self, name: str, stage: str, done: int, total: int, numbers: str) -> None:
        """Show that ``done`` of ``total`` steps of a stage are done."""
        if name not in self.tasks:
            return
        self.tasks[name] = self.tasks[name].later(stage, done, total, numbers)
        self.estimate.progress(name, stage, done / total if total else 0.0)
        if self.live is None and not self.quiet and time.monotonic() - self.last_lines[name] > LINE_SECONDS:
            self.last_lines[name] = time.monotonic()
            self.line(f"  {self.words[name]}  {stage} {done}/{total}  {numbers}")

    def say(self, name: str, text: str) -> None:
        """Print a line about a run."""
        self.line(f"  {self.words[name]}: {text}")

    def leave(self, name: str, why: str) -> None:
        """Show that this process no longer does a run, and why."""
        self.say(name, why)
        self.tasks.pop(name, None)
        self.estimate.end(name, None)

    def end(self, name: str, row: Mapping[str, Any]) -> None:
        """Show that a run ended with this row."""
        result = f"{row['status']}: {row['error']}"
        seconds = None
        if row["status"] == Status.OK:
            result = f"R {row['rate']:.3f}  D {row['distortion']:.3f}  −ELBO {-row['elbo']:.3f}±{row['elbo_se']:.2g}"
            result += f"  on {row['device']}"
            seconds = row["train_seconds"] + row.get("eval_seconds", 0.0)
        if row.get("jumps"):
            result += f"  jumps {row['jumps']}"
        self.estimate.end(name, seconds)
        self.finish(name, result, row["status"] == Status.OK)

    def finish(self, name: str, result: str, well: bool = True) -> None:
        """Show that a run ended with a result in words, ``well`` or not."""
        self.done += 1
        self.tasks.pop(name, None)
        left = self.estimate.seconds() if self.live is None and self.done < self.runs else None
        about = f"; about {clock(left)} left" if left else ""
        if not (self.quiet and well):
            self.line(f"[{self.done}/{self.runs}] {self.words[name]}: {result}{about}")

    def line(self, text: str) -> None:
        """Print a line."""
        self.console.print(plain(text), highlight=False, markup=False, soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        elapsed = time.monotonic() - self.started
        about = f"sweep: {self.done} of {counted(self.runs, 'run')}"
        left = self.estimate.seconds()
        part = elapsed / (elapsed + left) if left else self.done / max(1, self.runs)
        yield _line(elapsed, left, part, about, "", options)
        for name, stage in list(self.tasks.items()):
            about = f"{self.words[name]}  {stage.name}".rstrip()
            yield _line(stage.elapsed, stage.left, stage.part, about, stage.numbers, options)

    def __enter__(self) -> "Display":
        if self.live:
            self.live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()


class _Stage:
    """The progress of a run in a stage; ``first`` steps were done when the stage was first shown."""

    def __init__(self, name: str, done: int, total: int, numbers: str) -> None:
        self.name = name
        self.done = self.first = done
        self.total = total
        self.numbers = numbers
        self.started = time.monotonic()

    def later(self, name: str, done: int, total: int, numbers: str) -> "_Stage":
        """The progress after an update: of the same stage, or of a new one."""
        if name != self.name:
            return _Stage(name, done, total, numbers)
        self.done, self.total, self.numbers = done, total, numbers
        return self

    @property
    def part(self) -> float:
        return self.done / self.total if self.total else 0.0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """The seconds left at the speed so far; None if it is unknown."""
        gone = self.done - self.first
        return self.elapsed * (self.total - self.done) / gone if gone else None


def clock(seconds: float | None) -> str:
    """A time as hours, minutes and seconds, with days if there are any.

    >>> [clock(seconds) for seconds in (5, 3725, 200000, None)]
    ['0:05', '1:02:05', '2d 07:33', '-:--']
    """
    if seconds is None or not math.isfinite(seconds):
        return "-:--"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d {hours % 24:02d}:{minute:02d}"
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def _line(elapsed: float, left: float | None, part: float, about: str, numbers: str, options: ConsoleOptions) -> Text:
    """A line of the display, no wider than the terminal; it leaves out numbers that do not fit, the last ones first."""
    full, rest = "#." if options.ascii_only else "━─"
    filled = int(part * BAR)
    line = f"{clock(elapsed):>8} {clock(left):>9} left  {full * filled}{rest * (BAR - filled)} {part:4.0%}  {about}"
    for number in filter(None, numbers.split("  ")):
        if len(line) + 2 + len(number) > options.max_width:
            break
        line += f"  {number}"
    return Text(plain(line), no_wrap=True, overflow="ellipsis")
