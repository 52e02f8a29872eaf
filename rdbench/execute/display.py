"""What a sweep shows while it runs: a live display on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rdbench.errors import plain
from rdbench.store.status import Status

LINE_SECONDS = 20.0
"""How often a plain line is printed where there is no terminal."""


class Display:
    """The progress of ``runs`` runs, each called by its ``words``; use as a context."""

    def __init__(self, runs: int, words: Mapping[str, str], console: Console) -> None:
        self.console = console
        self.runs = runs
        self.words = words
        self.done = 0
        self.stages: dict[str, str] = {}
        self.tasks: dict[str, TaskID] = {}
        self.last_lines: dict[str, float] = {}
        self.progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(bar_width=12), TaskProgressColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}", markup=False), console=console,
        )  # fmt: skip
        self.sweep_task = self.progress.add_task(f"sweep of {runs} runs", total=runs, numbers="")
        self.live = Live(self.progress, console=console, transient=True)

    def begin(self, name: str) -> None:
        """A run begins, or several that go together, called by the first."""
        self.stages[name] = ""
        self.last_lines[name] = time.monotonic()
        self.tasks[name] = self.progress.add_task(self.words[name], total=None, numbers="")

    def show(self, name: str, stage: str, done: int, total: int, numbers: str) -> None:
        """``done`` of ``total`` steps of a stage are done."""
        if name not in self.tasks:
            return
        task, words = self.tasks[name], self.words[name]
        if stage != self.stages[name]:
            self.stages[name] = stage
            self.progress.reset(task, total=total)
        self.progress.update(task, description=f"{words}  {stage}", completed=done, numbers=numbers)
        if not self.console.is_terminal and time.monotonic() - self.last_lines[name] > LINE_SECONDS:
            self.last_lines[name] = time.monotonic()
            self.line(f"  {words}  {stage} {done}/{total}  {numbers}")

    def say(self, name: str, text: str) -> None:
        """A line about a run."""
        self.line(f"  {self.words[name]}: {text}")

    def leave(self, name: str, why: str) -> None:
        """A run is no longer done here."""
        self.say(name, why)
        if name in self.tasks:
            self.progress.remove_task(self.tasks.pop(name))

    def end(self, name: str, row: Mapping[str, Any]) -> None:
        """A run ended with this row."""
        result = f"{row['status']}: {row['error']}"
        if row["status"] == Status.OK:
            result = f"R {row['rate']:.3f}  D {row['distortion']:.3f}  −ELBO {-row['elbo']:.3f}±{row['elbo_se']:.2f}"
            result += f"  on {row['device']}"
        self.finish(name, result)

    def finish(self, name: str, result: str) -> None:
        """A run ended; what came of it, in words."""
        self.done += 1
        if name in self.tasks:
            self.progress.remove_task(self.tasks.pop(name))
        self.progress.update(self.sweep_task, completed=self.done)
        self.line(f"[{self.done}/{self.runs}] {self.words[name]}: {result}")

    def line(self, text: str) -> None:
        """A line of its own."""
        self.console.print(plain(text), highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self.live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()
