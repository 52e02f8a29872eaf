"""Images a second in training: rdbench, a plain float32 PyTorch loop over the same modules, and Pythae's trainer.

Each contender is a process of its own, and they take turns. The plain loop has a DataLoader of float images, Adam as
torch has it, and no normalised gradients. Pythae (``--pythae``, the Python of an environment with it) trains its VAE
on the same encoder and decoder networks; it can express ``---``. All count steps of training only.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd
from machine import describe, table_and_parquet

HERE = Path(__file__).parent


class Contender:
    """A process that trains so many steps when told to, and says how many images a second they were."""

    def __init__(self, python: str, kind: str, family: str, batch: int, width: float) -> None:
        arguments = [python, str(HERE / "contender.py"), kind, family, str(batch), str(width)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(arguments, **pipes)

    def turn(self, steps: int) -> float:
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--family", action="append", help="signs of a family; by default all twelve")
    parser.add_argument("--pythae", help="the Python of an environment with Pythae")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=5, help="in a turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender")
    parser.add_argument("--out", type=Path, help="write a row per turn to this Parquet file")
    options = parser.parse_args()
    families = options.family or [e + d + m for e in "-+" for d in "-+" for m in "-+v"]
    rows = []
    for family in families:
        pythons = {"rdbench": sys.executable, "plain": sys.executable}
        if options.pythae and family == "---":
            pythons["pythae"] = options.pythae
        contenders = {
            kind: Contender(python, kind, family, options.batch, options.width) for kind, python in pythons.items()
        }
        for contender in contenders.values():
            contender.turn(2)  # the first of anything is slow
        for repeat in range(options.repeats):
            turns = {kind: contender.turn(options.steps) for kind, contender in contenders.items()}
            rows += [
                {"family": family, "contender": kind, "repeat": repeat, "images_per_second": speed,
                 "ratio": turns["rdbench"] / speed, "batch": options.batch, "width": options.width}
                for kind, speed in turns.items()
            ]  # fmt: skip
        for contender in contenders.values():
            contender.end()
        frame = pd.DataFrame(rows)
        print(frame[frame["family"] == family].groupby("contender")[["images_per_second", "ratio"]].median().round(2))
    table_and_parquet(rows, ["family", "contender"], "images_per_second", options.out)
    print(
        pd.DataFrame(rows).groupby(["family", "contender"], sort=False)["ratio"].agg(["median", "min", "max"]).round(2)
    )
    print(describe())


if __name__ == "__main__":
    main()
