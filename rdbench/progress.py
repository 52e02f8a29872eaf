"""What a sweep shows while it runs: a live display on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rdbench.config import RunConfig

LINE_SECONDS = 20.0
"""How often a plain line is printed where there is no terminal."""


class Display:
    """The progress of ``runs`` runs; use as a context."""

    def __init__(self, runs: int, console: Console) -> None:
        self.console = console
        self.runs = runs
        self.done = 0
        self.label = ""
        self.last_line = time.monotonic()
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[numbers]}"),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self.sweep_task = self.progress.add_task("sweep", total=runs, numbers="")
        self.run_task = self.progress.add_task("", total=None, numbers="", visible=False)
        self.stage = ""

    def begin(self, run: RunConfig) -> None:
        """A run begins."""
        annealed = f" annealed over {run.anneal_epochs} epochs" if run.anneal_epochs else ""
        self.label = f"{run.family.signs} β {run.beta:g}{annealed} seed {run.seed}"
        self.stage = ""

    def show(self, stage: str, done: int, total: int, numbers: str) -> None:
        """``done`` of ``total`` steps of a stage are done."""
        if stage != self.stage:
            self.stage = stage
            self.progress.reset(self.run_task, total=total, visible=True)
        self.progress.update(self.run_task, description=f"{self.label} {stage}", completed=done, numbers=numbers)
        if not self.console.is_terminal and time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            self._line(f"  {self.label} {stage} {done}/{total} {numbers}")

    def end(self, row: Mapping[str, Any]) -> None:
        """A run ended with this row."""
        self.done += 1
        self.progress.update(self.sweep_task, completed=self.done)
        if row["status"] == "ok":
            error = f"±{row['elbo_se']:.2f}"
            result = f"R {row['rate']:.3f}  D {row['distortion']:.3f}  −ELBO {-row['elbo']:.3f} {error} nats"
        else:
            result = f"{row['status']}: {row['error']}"
        self._line(f"[{self.done}/{self.runs}] {row['family']} {self.label}: {result}")

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> "Display":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()
