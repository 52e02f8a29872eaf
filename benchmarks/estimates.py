"""What the estimate of a sweep's cost says of short runs, against what they take.

Both are CPU seconds of one thread, so that it does not matter what else the machine does.
"""

import tempfile
import time
from typing import Any

import pandas as pd
import torch

from rdbench.config.sweep import load_sweep
from rdbench.execute.cost import total_cost
from rdbench.execute.runner import run_sweep
from rdbench.execute.task import Settings
from rdbench.runs import timing, training

ONCE = {"beta": 1.0}  # of its three β, which the demo has for some families
FULL = ONCE | {"width": 1.0, "latent_dim": 64, "batch_size": 100, "epochs": 1}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bits, `score`, width 0.125, batch 64": (
        "discrete",
        {"family": ["bernoulli-deconv-factorised"], "gradient": ["score"], "epochs": 2},
    ),
    "`---`, width 0.05, batch 16": (
        "demo",
        ONCE | {"family": ["---"], "width": 0.05, "epochs": 2, "train_images": 5000},
    ),
    "`---`, width 0.25, batch 64": (
        "demo",
        ONCE | {"family": ["---"], "width": 0.25, "batch_size": 64, "epochs": 2, "train_images": 5000},
    ),
    "`-+-`, width 0.125, batch 32": (
        "demo",
        ONCE | {"family": ["-+-"], "batch_size": 32, "epochs": 2, "train_images": 1000, "evaluation_images": 200},
    ),
    "`---`, width 1, batch 100": (
        "demo",
        FULL | {"family": ["---"], "train_images": 1000, "evaluation_images": 200, "iwae": [10]},
    ),
    "`-+-`, width 1, batch 100": (
        "demo",
        FULL | {"family": ["-+-"], "train_images": 200, "evaluation_images": 60, "iwae": [5], "generated_images": 10},
    ),
}


class CpuClock:
    """Stands for the module ``time`` where models are timed."""

    perf_counter = staticmethod(time.process_time)


def estimated(name: str, values: dict[str, Any]) -> float:
    """The CPU seconds that the estimate says of a sweep."""
    before = training.working_seconds, timing.time
    training.working_seconds, timing.time = time.process_time, CpuClock  # type: ignore[assignment]
    try:
        runs = load_sweep(name).with_values(values).runs()
        return total_cost(runs, pd.DataFrame(), torch.device("cpu"), None).seconds
    finally:
        training.working_seconds, timing.time = before


def main() -> None:
    """Print a line of a Markdown table for each case."""
    torch.set_num_threads(1)
    print("| model | estimated, s | taken, s | ratio |\n|---|--:|--:|--:|")
    for words, (name, values) in CASES.items():
        values = values | {"beta": [1.0], "seed": [0]}
        seconds = estimated(name, values)
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            run_sweep(load_sweep(name).with_values(values), folder, Settings("cpu", quiet=True))
        taken = time.process_time() - began
        print(f"| {words} | {seconds:.1f} | {taken:.1f} | {seconds / taken:.2f} |", flush=True)


if __name__ == "__main__":
    main()
