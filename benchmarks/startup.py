"""Start-up times: `rdbench --help`, `rdbench report` on 100 runs, and the overhead of each run of a sweep.

All are whole processes. The overhead of a run is the time that one more run adds to a sweep, less the training and
evaluation time in its row: making the model at full width, its data, its claim, its tables and its weights.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from invented import record
from machine import table_and_parquet

from rdbench.store.changes import compact
from rdbench.store.store import Store

RUNS = 100
DATE = "2026-01-01T00:00:00"
IMAGES = 10_000
FURTHER = 10
"""Runs that the longer of two sweeps has more."""

FAMILIES = ("---", "+++", "-+v")
SMALLEST = {"train_images": 1, "batch_size": 1, "epochs": 1, "evaluation_images": 1, "generated_images": 1}


def seconds(*arguments: str) -> float:
    """How long a command takes."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "rdbench", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def a_run(family: str, folder: Path) -> float:
    """What a run adds to a sweep besides its training and evaluation."""
    settings = [f"--set={key}={value}" for key, value in {**SMALLEST, "beta": 1, "iwae": 1, "width": 1}.items()]

    def overhead(runs: int) -> float:
        with tempfile.TemporaryDirectory(dir=folder) as store:
            seeds = [f"--seed={seed}" for seed in range(runs)]
            whole = seconds("sweep", "demo", f"--family={family}", *seeds, *settings, "--store", store)
            rows = Store(store).read("runs").frame
            return whole - (rows["train_seconds"] + rows["eval_seconds"]).sum()

    few = overhead(1)
    return (overhead(1 + FURTHER) - few) / FURTHER


def main() -> None:
    """Time each in turn, several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store")
        store.prepare()
        for number in range(RUNS):
            store.put(record(number, IMAGES, generator), DATE)
        compact(store)
        whats = {
            "rdbench --help": lambda: seconds("--help"),
            f"rdbench report, {RUNS} runs of {IMAGES:,} test images": lambda: seconds("report", str(store)),
            **{f"a run of a sweep, {family}": lambda family=family: a_run(family, folder) for family in FAMILIES},
        }
        rows = [
            {"what": what, "seconds": measure(), "repeat": repeat}
            for repeat in range(options.repeats)
            for what, measure in whats.items()
        ]
    table_and_parquet(rows, ["what"], "seconds", options.out)


if __name__ == "__main__":
    main()
