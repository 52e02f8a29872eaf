"""Time `rdbench report` and `rdbench plot` on a store of many runs, as whole processes.

The runs are invented; the store has one file for each run until it is compacted, as after a sweep.
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

IMAGES = 100
DATE = "2026-01-01T00:00:00"


def seconds(*command: str) -> float:
    """How long a command takes, start-up included."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "rdbench", *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Make the store, then time the commands, in turn and several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        store.prepare()
        for number in range(options.runs):
            store.put(record(number, IMAGES, generator), DATE)
        commands = {
            "report": ["report", str(store)],
            "report --format html": ["report", str(store), "--format", "html"],
            "plot (plane, skew, phase)": [
                "plot",
                str(store),
                "--kind",
                "plane",
                "--kind",
                "skew",
                "--kind",
                "phase",
            ],
        }
        rows = [{"what": "report, one file a run", "seconds": seconds(*commands["report"]), "repeat": 0}]
        started = time.perf_counter()
        compact(store)
        rows.append({"what": "compacting", "seconds": time.perf_counter() - started, "repeat": 0})
        for repeat in range(options.repeats):
            for what, command in commands.items():
                rows.append({"what": what, "seconds": seconds(*command), "repeat": repeat})
    table_and_parquet([row | {"runs": options.runs} for row in rows], ["what", "runs"], "seconds", options.out)


if __name__ == "__main__":
    main()
