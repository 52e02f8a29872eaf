"""How long `rdbench report` and `rdbench plot` take on a store of many runs, as whole processes.

The runs are invented; the store has one file a run until it is compacted, as after a sweep.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import table_and_parquet

from rdbench.config import RunConfig
from rdbench.family import FAMILIES
from rdbench.schema import Record
from rdbench.store import Store

IMAGES = 100
SHA256 = "d" * 64


def record(number: int, generator: np.random.Generator) -> Record:
    """An invented run: somewhere above R + D = 80 nats."""
    family = FAMILIES[number % 12]
    config = RunConfig(**family._asdict(), beta=round(0.1 + 0.001 * (number // 12), 3), seed=number, iwae=(1, 5, 50))
    rate = generator.uniform(0, 60)
    distortion = 80 - rate + generator.exponential(5)
    run_id = config.run_id(SHA256)
    row = config.model_dump(mode="json", exclude={"iwae"}) | {
        "run_id": run_id, "status": "ok", "error": None, "family": family.words, "config": config.model_dump_json(),
        "dataset_sha256": SHA256, "test_images": IMAGES, "entropy": None, "train_seconds": 1.0, "sweep": "invented",
        "command": "invented", "rate": rate, "distortion": distortion, "elbo": -(rate + distortion),
        "iwae_1": -(rate + distortion), "iwae_5": 0.5 - rate - distortion, "iwae_50": 1 - rate - distortion,
    }  # fmt: skip
    row |= {f"{name}_se": 0.2 for name in ("rate", "distortion", "elbo", "iwae_1", "iwae_5", "iwae_50")}
    noise = generator.normal(size=IMAGES)
    examples = {
        "run_id": [run_id] * IMAGES,
        "index": np.arange(IMAGES),
        "rate": rate + noise,
        "distortion": distortion + noise,
    }
    history = {"run_id": [run_id], "epoch": [1], "beta": [1.0], "valid_rate": [rate], "valid_distortion": [distortion]}
    return Record(run_id, row, history, examples, {"weight": np.zeros(1, np.float32)})


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
            store.write(record(number, generator))
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
        store.compact()
        rows.append({"what": "compacting", "seconds": time.perf_counter() - started, "repeat": 0})
        for repeat in range(options.repeats):
            for what, command in commands.items():
                rows.append({"what": what, "seconds": seconds(*command), "repeat": repeat})
    table_and_parquet([row | {"runs": options.runs} for row in rows], ["what", "runs"], "seconds", options.out)


if __name__ == "__main__":
    main()
