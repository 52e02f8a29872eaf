"""Contenders that take turns, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


class Contender:
    """A process that does so much of a task when told to, and says how much that was a second."""

    def __init__(self, python: str, kind: str, task: str, family: str, batch: int, width: float) -> None:
        arguments = [python, str(HERE / "contender.py"), kind, task, family, str(batch), str(width)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(arguments, **pipes)

    def turn(self, amount: int) -> float:
        self.begin(amount)
        return self.heard()

    def begin(self, amount: int) -> None:
        self.process.stdin.write(f"{amount}\n")
        self.process.stdin.flush()

    def heard(self) -> float:
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def contest(
    task: str, family: str, batch: int, width: float, amount: int, repeats: int, pythae: str | None
) -> list[dict]:
    """A row for each turn: who, how much a second, and how many times as much rdbench did in the same round."""
    pythons = {"rdbench": sys.executable, "plain": sys.executable}
    if pythae and family == "---":
        pythons["pythae"] = pythae
    contenders = {kind: Contender(python, kind, task, family, batch, width) for kind, python in pythons.items()}
    for contender in contenders.values():
        contender.turn(2)  # the first of anything is slow
    rows = []
    for repeat in range(repeats):
        turns = {kind: contender.turn(amount) for kind, contender in contenders.items()}
        rows += [
            {"family": family, "contender": kind, "repeat": repeat, "a_second": speed,
             "ratio": turns["rdbench"] / speed, "batch": batch, "width": width}
            for kind, speed in turns.items()
        ]  # fmt: skip
    for contender in contenders.values():
        contender.end()
    return rows


def summary(rows: list[dict]) -> str:
    """Medians by family and contender, of the speeds and of the ratios, with the least and the most ratio."""
    import pandas as pd

    grouped = pd.DataFrame(rows).groupby(["family", "contender"], sort=False)
    table = grouped["a_second"].agg(["median", "min", "max"]).round(1)
    ratios = grouped["ratio"].agg(["median", "min", "max"]).round(2).add_prefix("ratio_")
    return table.join(ratios).to_string()
