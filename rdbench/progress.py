"""What a sweep shows while it runs: a live display on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from rdbench.config import RunConfig

LINE_SECONDS = 20.0
"""How often a plain line is printed where there is no terminal."""


class Display:
    """The progress of ``runs`` runs, told apart by their ``varying`` keys; use as a context."""

    def __init__(self, runs: int, varying: Sequence[str], console: Console) -> None:
        self.console = console
        self.runs = runs
        self.varying = varying
        self.done = 0
        self.label = ""
        self.stage = ""
        self.last_line = time.monotonic()
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=12), TaskProgressColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=console,
        )  # fmt: skip
        self.sweep_task = self.progress.add_task(f"sweep of {runs} runs", total=runs)
        self.run_task = self.progress.add_task("", total=None, visible=False)
        self.numbers = Text(no_wrap=True)
        self.live = Live(Group(self.numbers, self.progress), console=console, transient=True)

    def begin(self, run: RunConfig) -> None:
        """A run begins."""
        self.label = run.label(self.varying)
        self.stage = ""

    def show(self, stage: str, done: int, total: int, numbers: str) -> None:
        """``done`` of ``total`` steps of a stage are done."""
        if stage != self.stage:
            self.stage = stage
            self.progress.reset(self.run_task, total=total, visible=True)
        self.progress.update(self.run_task, description=stage, completed=done)
        self.numbers.plain = f"{self.label}  {numbers}"
        if not self.console.is_terminal and time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            self._line(f"  {self.label}  {stage} {done}/{total}  {numbers}")

    def end(self, row: Mapping[str, Any]) -> None:
        """A run ended with this row."""
        self.done += 1
        self.progress.update(self.sweep_task, completed=self.done)
        result = f"{row['status']}: {row['error']}"
        if row["status"] == "ok":
            result = f"R {row['rate']:.3f}  D {row['distortion']:.3f}  −ELBO {-row['elbo']:.3f}±{row['elbo_se']:.2f}"
        self._line(f"[{self.done}/{self.runs}] {self.label}: {result}")

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self.live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()
