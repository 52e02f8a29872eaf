"""How long a sweep still takes, from what its runs have cost so far."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

LEAST_PART = 0.02
"""The part of a training that must have passed before its speed says something."""


class Load(NamedTuple):
    """What a run has to do: its family, and the work of its training and of its evaluation, in any one unit."""

    family: str
    training: float
    evaluation: float


@dataclass
class _Running:
    """How far a run is: the part of its training, and when which part of it was first heard of."""

    began: float
    first: float
    part: float
    evaluating: bool = False


class Estimate:
    """The seconds that are left of a sweep; a family of which no run has been seen is as fast as the others."""

    def __init__(self, loads: Mapping[str, Load], clock: Callable[[], float] = time.monotonic) -> None:
        self.left = dict(loads)
        self.clock = clock
        self.running: dict[str, _Running] = {}
        self.spent: dict[str, tuple[float, float]] = {}  # of each family the seconds and the work of ended runs

    def progress(self, name: str, stage: str, part: float) -> None:
        """A run has done this part of a stage."""
        if name not in self.left:
            return
        if name not in self.running:
            self.running[name] = _Running(self.clock(), part, part)
        run = self.running[name]
        run.evaluating = stage != "training"
        run.part = 1.0 if run.evaluating else part

    def end(self, name: str, seconds: float | None) -> None:
        """A run ended; ``seconds`` of training and evaluation, where they are known."""
        self.running.pop(name, None)
        load = self.left.pop(name, None)
        if load is not None and seconds is not None:
            before = self.spent.get(load.family, (0.0, 0.0))
            self.spent[load.family] = (before[0] + seconds, before[1] + load.training + load.evaluation)

    def seconds(self) -> float | None:
        """The seconds left, with as many runs at once as there are now; None before anything is known."""
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
        """Of each family the seconds and the work of its ended runs, else of what its running ones have trained."""
        seen = dict(self.spent)
        for name, run in self.running.items():
            load = self.left[name]
            if load.family not in seen and not run.evaluating and run.part - run.first > LEAST_PART:
                seen[load.family] = (self.clock() - run.began, (run.part - run.first) * load.training)
        return {family: (seconds, work) for family, (seconds, work) in seen.items() if work > 0}
