"""Time and memory of `rdbench sweep … --dry-run` on a large sweep, half of whose runs are done.

The rows of the store are invented; it is compacted, as after a sweep.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import invented
import numpy as np
import pandas as pd
import pyarrow as pa
from machine import table_and_parquet

from rdbench.config.family import FAMILIES
from rdbench.config.sweep import Sweep, load_sweep
from rdbench.execute.plan import plan
from rdbench.store.changes import RUNS_A_FILE
from rdbench.store.columns import column_type
from rdbench.store.store import Store

SEEDS = 10
A_BETA = 10 * SEEDS
"""Runs of each β: ten families and the seeds."""

MEASURED = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3 * 1.024}))
"""
"""A small process of its own, since what a process starts counts the peak of its parent as its own."""


def write_sweep(runs: int, path: Path) -> Sweep:
    """A sweep of so many runs."""
    grid = {
        "family": [family.words for family in FAMILIES[:10]],
        "beta": [round(0.01 * (number + 1), 2) for number in range(runs // A_BETA)],
        "seed": list(range(SEEDS)),
    }
    lines = ['dataset = "sprites"', *(f"{key} = {json.dumps(values)}" for key, values in grid.items())]
    path.write_text("\n".join(lines))
    return load_sweep(str(path))


def fill(store: Store, sweep: Sweep, generator: np.random.Generator) -> int:
    """Keep an invented row of every other run of a sweep; say how many runs it has."""
    runs = plan(sweep, (), None).runs
    finished = list(runs.items())[::2]
    for start in range(0, len(finished), RUNS_A_FILE):
        some = finished[start : start + RUNS_A_FILE]
        rows = [invented.row(run_id, run, sweep.name, 2000, generator) for run_id, run in some]
        fields = [pa.field(name, column_type("runs", name)) for name in rows[0]]
        store.write_compacted("runs", pa.Table.from_pylist(rows, pa.schema(fields)))
    return len(runs)


def measure(path: Path, store: Store) -> dict[str, float]:
    """The seconds that a dry run takes, start-up included, and its peak of memory."""
    command = ["-m", "rdbench", "sweep", str(path), "--dry-run", "--store", str(store)]
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, *command], check=True, stdout=subprocess.PIPE
    )
    return json.loads(told.stdout)


def main() -> None:
    """Make the stores, then time the dry runs, in turn and several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        planned = {}
        for runs in options.runs:
            path, store = Path(folder) / f"{runs}.toml", Store(Path(folder) / f"store-{runs}")
            store.prepare()
            planned[fill(store, write_sweep(runs, path), generator)] = (path, store)
        for repeat in range(options.repeats):
            for runs, (path, store) in planned.items():
                measured = measure(path, store)
                rows += [{"what": what, "runs": runs, "value": measured[what], "repeat": repeat} for what in measured]
    table_and_parquet(rows, ["what", "runs"], "value", options.out)
    medians = pd.DataFrame(rows).groupby(["what", "runs"], sort=False)["value"].median()
    for what in ("seconds", "MB"):
        exponent, _ = np.polyfit(np.log(medians[what].index), np.log(medians[what]), 1)
        print(f"{what} grow as runs to the power {exponent:.2f}")


if __name__ == "__main__":
    main()
