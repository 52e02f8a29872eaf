"""Shared output of benchmarks: medians and spreads, and the machine on which they were measured."""

import csv
import os
import platform
from pathlib import Path

import pandas as pd
import torch


def describe() -> dict[str, str | int]:
    """The processor, its cores, the card where there is one, the threads torch uses, and the versions."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count() or 0,
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def append(out: Path, row: dict) -> None:
    """Add a row to a CSV file, in the order of its header; a new file gets one."""
    new = not out.exists()
    header = list(row) if new else next(csv.reader(out.read_text().splitlines()))
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, header)
        if new:
            writer.writeheader()
        writer.writerow(row)


def table_and_parquet(rows: list[dict], keys: list[str], value: str, out: Path | None) -> None:
    """Print the median, least and most of ``value`` by ``keys``; write every row as Parquet where ``out`` says."""
    frame = pd.DataFrame(rows)
    summary = frame.groupby(keys, sort=False)[value].agg(["median", "min", "max", "count"])
    print(summary.round(3).to_string())
    print(", ".join(f"{key} {found}" for key, found in describe().items()))
    if out:
        frame.assign(**describe()).to_parquet(out)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
