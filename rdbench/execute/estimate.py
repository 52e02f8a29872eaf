"""The time that is left of a sweep, estimated from its runs so far."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

LEAST_PART = 0.02
"""The fraction of training that must be done before its speed is used."""


class Load(NamedTuple):
    """The work of a run: its family, and the work of training and of evaluation, in the same unit."""

    family: str
    training: float
    evaluation: float


@dataclass
class _Running:
    """The progress of a run: the fraction of training done, and the time and fraction when it was first reported."""

    began: float
    first: float
    part: float
    evaluating: bool = False


class Estimate:
    """Estimates the seconds left of a sweep. A family without a run so far is assumed to be as fast as the others."""

    def __init__(self, loads: Mapping[str, Load], clock: Callable[[], float] = time.monotonic) -> None:
        self.left = dict(loads)
        self.clock = clock
        self.running: dict[str, _Running] = {}
        self.spent: dict[str, tuple[float, float]] = {}  # by family: seconds and work of its ended runs

    def progress(self, name: str, stage: str, part: float) -> None:
        """Note that a run has done the fraction ``part`` of a stage."""
        if name not in self.left:
            return
        if name not in self.running:
            self.running[name] = _Running(self.clock(), part, part)
        run = self.running[name]
        run.evaluating = stage != "training"
        run.part = 1.0 if run.evaluating else part

    def end(self, name: str, seconds: float | None) -> None:
        """Note that a run ended, after ``seconds`` of training and evaluation if they are known."""
        self.running.pop(name, None)
        load = self.left.pop(name, None)
        if load is not None and seconds is not None:
            before = self.spent.get(load.family, (0.0, 0.0))
            self.spent[load.family] = (before[0] + seconds, before[1] + load.training + load.evaluation)

    def seconds(self) -> float | None:
        """The seconds left if as many runs go on at once as now; None before anything is known."""
        seen = self._seen()
        if not seen:
            return None
        overall = sum(seconds for seconds, _ in seen.values()) / sum(work for _, work in seen.values())
        total = 0.0
        for name, load in self.left.items():
            seconds, work = seen.get(load.family, (overall, 1.0))
            total += seconds / work * self._work_left(name, load)
        return total / max(1, len(self.running))

    def _work_left(self, name: str, load: Load) -> float:
        run = self.running.get(name)
        if run is None:
            return load.training + load.evaluation
        return (1 - run.part) * load.training + load.evaluation

    def _seen(self) -> dict[str, tuple[float, float]]:
        """By family, the seconds and work of its ended runs; of a running one if none has ended."""
        seen = dict(self.spent)
        for name, run in self.running.items():
            load = self.left[name]
            if load.family not in seen and not run.evaluating and run.part - run.first > LEAST_PART:
                seen[load.family] = (self.clock() - run.began, (run.part - run.first) * load.training)
        return {family: (seconds, work) for family, (seconds, work) in seen.items() if work > 0}
